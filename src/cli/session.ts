/**
 * What a command talks to: always a server. The one that was named; or the one that runs on the folder; or one of this
 * command alone, on a free loopback port, which closes when the command ends. So there is one way for every command,
 * and the same answers beside a running server as without.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { type Client, connect } from "../../client/node.ts";
import { fail, type MillpondError } from "../base/index.ts";
import { type Api, createApi } from "./api.ts";
import type { GlobalOptions } from "./options.ts";
import { findServer } from "./server-file.ts";
import { tokenOf } from "./token.ts";

export interface Session {
  readonly api: Api;
  /** `given` and `running` servers stay when the command ends. */
  readonly server: "given" | "running" | "own";
  /** The SDK, connected when first asked for. */
  client(): Promise<Client>;
  close(): Promise<void>;
}

export interface SessionOptions extends GlobalOptions {
  /** The command may begin a pool where there is none. */
  readonly create?: boolean;
}

const ALIVE_MS = 2_000;

/** @throws `folder_unknown`, `server_unreachable`, `tokens_unreadable`, and what the pool refuses to open with */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { folder, url } = options;
  if (url !== undefined) return sessionWith(createApi(url, tokenOf(options)), "given");
  const running = findServer(folder);
  if (running !== undefined && (await answers(running.url))) {
    return sessionWith(createApi(running.url, tokenOf(options)), "running");
  }
  return openOwn(options);
}

/** Runs a command with a session and closes it, whatever happens. */
export async function withSession<Result>(
  options: SessionOptions,
  use: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = await openSession(options);
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

async function openOwn(options: SessionOptions): Promise<Session> {
  const { folder, create = false } = options;
  if (!create && !existsSync(path.join(folder, "log.db"))) throw fail("folder_unknown", { folder });
  // Only here are the engines needed: a command that asks a running server starts without them.
  const { openOwnServer } = await import("./own-server.ts");
  const { url, close } = await openOwnServer(folder, options.pool);
  try {
    return sessionWith(createApi(url, tokenOf(options)), "own", close);
  } catch (error) {
    await close();
    throw error;
  }
}

function sessionWith(api: Api, server: Session["server"], closeServer: () => Promise<void> = async () => {}): Session {
  let client: Promise<Client> | undefined;
  return {
    ...{ api, server },
    client: () => {
      client ??= connect({ url: api.url, token: api.token }).catch((error: MillpondError) => {
        throw error.code === "link_lost" ? fail("server_unreachable", { url: api.url }, error) : error;
      });
      return client;
    },
    close: async () => {
      (await client?.catch(() => undefined))?.close();
      await closeServer();
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/health/live`, { signal: AbortSignal.timeout(ALIVE_MS) }).catch(() => undefined);
  return answer?.ok === true;
}
