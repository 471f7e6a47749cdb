/** A pool opened for one command, with a server on a free loopback port and no bridge. */
import { createEnvironment } from "../base/index.ts";
import { createTokenAuthenticator, openPool, openTokens } from "../pool/index.ts";
import { loadPool } from "./pool-module.ts";

/** @throws what the pool refuses to open with; nothing stays open then */
export async function openOwnServer(
  folder: string,
  module: string | undefined,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const environment = createEnvironment();
  const pool = await openPool(await loadPool(module), { folder, environment });
  try {
    const authenticator = createTokenAuthenticator(openTokens(folder, environment));
    const { url } = await pool.listen({ authenticator, port: 0 });
    return { url, close: () => pool.close() };
  } catch (error) {
    await pool.close();
    throw error;
  }
}
