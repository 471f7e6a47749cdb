/**
 * A pool in a process of its own, which tests may kill at any moment: the market definition with every door open on
 * free ports. It loads everything, then waits for the folder to open, so that a test can have the next one ready. It
 * tells its addresses and tokens over the channel to its parent, and ends when the channel does.
 */
import { market } from "../../pools/market/index.ts";
import { asMillpondError, createEnvironment, type Logger } from "../../src/base/index.ts";
import { createTokenAuthenticator, openPool, openTokens } from "../../src/pool/index.ts";
import type { ChildMessage, OpenMessage } from "./pool-process.ts";

/** Bugs and what a pool could not do go to standard error, where a failing test shows them. */
const logger: Logger = {
  log: (level, event, details) => {
    if (level === "error") process.stderr.write(`${event} ${JSON.stringify(details)}\n`);
  },
  with: () => logger,
};
const environment = createEnvironment({ logger });
const say = (message: ChildMessage): void => {
  process.send?.(message);
};

async function open(folder: string): Promise<void> {
  const tokens = openTokens(folder, environment);
  const pool = await openPool(market, { folder, environment });
  const authenticator = createTokenAuthenticator(tokens);
  const { url, bridgeUrl } = await pool.listen({ authenticator, port: 0, bridgePort: 0 });
  process.once("SIGTERM", () => {
    process.once("SIGTERM", () => process.exit(2));
    void pool.close().then(() => process.exit(0));
  });
  say({
    kind: "ready",
    url,
    bridgeUrl: bridgeUrl!,
    tokens: Object.fromEntries(tokens.map((each) => [each.id, each.token])),
  });
}

process.on("disconnect", () => process.exit(3));
process.once("message", ({ folder }: OpenMessage) => {
  say({ kind: "opening" });
  open(folder).catch((error: unknown) => {
    const { code, message } = asMillpondError(error);
    process.send?.({ kind: "failed", code, message } satisfies ChildMessage, () => process.exit(1));
  });
});
