/**
 * Where a running server can be found: a small file in the data folder, written when it listens and removed when it
 * stops. A file whose process is gone is ignored.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

export interface RunningServer {
  readonly pid: number;
  readonly url: string;
  readonly bridgeUrl?: string;
}

const fileOf = (folder: string): string => path.join(folder, "server.json");

export function announceServer(folder: string, server: RunningServer): () => void {
  writeFileSync(fileOf(folder), `${JSON.stringify(server)}\n`);
  return () => {
    if (findServer(folder)?.pid === server.pid) rmSync(fileOf(folder), { force: true });
  };
}

export function findServer(folder: string): RunningServer | undefined {
  if (!existsSync(fileOf(folder))) return undefined;
  try {
    const server = JSON.parse(readFileSync(fileOf(folder), "utf8")) as RunningServer;
    process.kill(server.pid, 0);
    return server;
  } catch {
    return undefined;
  }
}
