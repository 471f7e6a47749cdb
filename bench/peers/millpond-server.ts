/** The server process of a run: the market pool in the folder it is told, with everything on, until it is asked to stop. */
import { market } from "../../pools/market/index.ts";
import { createEnvironment } from "../../src/base/index.ts";
import { createTokenAuthenticator, openPool, openTokens } from "../../src/pool/index.ts";

const [folder] = process.argv.slice(2) as [string];
const environment = createEnvironment({
  logger: {
    log: (level, event, details) => {
      if (level === "error" || level === "warn") console.error(level, event, JSON.stringify(details));
    },
    with: () => environment.logger,
  },
});
const tokens = openTokens(folder, environment);
const pool = await openPool(market, { folder, environment });
const { url } = await pool.listen({ authenticator: createTokenAuthenticator(tokens), port: 0 });
process.on("SIGTERM", () => {
  void pool.close().then(() => process.exit(0));
});
process.on("disconnect", () => process.exit(0));
process.send!({ url, token: tokens[0]!.token });
