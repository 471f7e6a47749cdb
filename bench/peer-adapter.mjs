// Millpond as an adapter for a load harness that names its adapters by path: it starts and stops its own server on
// fresh folders and talks to it through the SDK. The roles are those of `npm run bench`.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  ohlc as aggregate,
  millpond,
  producer,
  reader,
  settle as settleViews,
  startMillpond,
  subscribe,
} from "./peers/millpond.ts";

export { producer, reader, subscribe };

export const label = "millpond";
export const variants = {
  full: { workloads: [...millpond.workloads], durability: "fsync before ack", note: millpond.note },
};

export const unavailable = async () => null;

export async function start() {
  const root = process.env.PEERS_DATA ?? tmpdir();
  mkdirSync(root, { recursive: true });
  const base = mkdtempSync(path.join(root, "millpond-"));
  const server = await startMillpond(base);
  return {
    server,
    srv: server,
    conn: server.connection,
    dirs: [base],
    diskBytes: () => bytesBelow(server.folder),
    stop: async () => {
      await server.stop();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

export const reset = ({ server }) => server.restart();
export const settle = ({ conn }) => settleViews(conn);
export const ohlc = async (conn) => ({
  sum: await aggregate(conn),
  note: "one plan over the series view, columns over HTTP",
});

function bytesBelow(folder) {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(path.join(entry.parentPath, entry.name)).blocks * 512;
  }
  return bytes;
}
