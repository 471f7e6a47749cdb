/** Redis streams: one entry a tick, a hash a symbol for the newest, XREAD BLOCK for subscribers. */
import path from "node:path";
import { createClient } from "redis";
import type { Peer, Producer, Reader, Started } from "../peer.ts";
import { addBar, type BarSums, emptySums, type Tick } from "../tick.ts";
import { findProgram, startProgram } from "./server.ts";

interface Connection {
  readonly port: number;
}

export const redis: Peer = {
  name: "redis",
  durability: "append-only file synced each second (weaker)",
  note: "a stream entry a tick, pipelined; XREAD BLOCK",
  workloads: ["W1", "W2", "W3", "W4", "W5", "W6"],
  pushes: true,
  unavailable: async () => (findProgram("redis-server") ? undefined : "no redis-server on this machine"),
  async start(folder): Promise<Started> {
    const program = await startProgram(findProgram("redis-server")!, path.join(folder, "redis"), (port) => [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", path.join(folder, "redis")],
      ...["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""],
    ]);
    return {
      connection: { port: program.port },
      pid: program.pid,
      reset: async () => {
        const client = await open({ port: program.port });
        await client.flushAll();
        await client.close();
      },
      stop: program.stop,
    };
  },
};

async function open(connection: unknown) {
  const client = createClient({ socket: { host: "127.0.0.1", port: (connection as Connection).port } });
  client.on("error", () => {});
  await client.connect();
  return client;
}

const fieldsOf = ({ symbol, time_ms, bid, ask, volume }: Tick): Record<string, string> => ({
  symbol,
  time_ms: String(time_ms),
  bid: String(bid),
  ask: String(ask),
  volume: String(volume),
});
const tickOf = (fields: Record<string, string>): Tick => ({
  symbol: fields.symbol!,
  time_ms: Number(fields.time_ms),
  bid: Number(fields.bid),
  ask: Number(fields.ask),
  volume: Number(fields.volume),
});

export async function producer(connection: unknown): Promise<Producer> {
  const client = await open(connection);
  return {
    // Commands of one turn are pipelined by the client; order is that of the calls.
    send: (ticks) =>
      Promise.all(
        ticks.map((tick) =>
          Promise.all([
            client.xAdd("ticks", "*", fieldsOf(tick)),
            client.hSet(`latest:${tick.symbol}`, fieldsOf(tick)),
          ]),
        ),
      ),
    close: () => client.close(),
  };
}

export async function subscribe(
  connection: unknown,
  count: number,
  onTicks: (which: number, ticks: readonly Tick[]) => void,
) {
  const clients = await Promise.all(Array.from({ length: count }, () => open(connection)));
  clients.forEach((client, which) => {
    let id = "0";
    const loop = async (): Promise<void> => {
      while (client.isOpen) {
        const read = (await client.xRead({ key: "ticks", id }, { BLOCK: 1_000, COUNT: 5_000 })) as
          | { messages: { id: string; message: Record<string, string> }[] }[]
          | null;
        const messages = read?.[0]?.messages ?? [];
        if (messages.length === 0) continue;
        id = messages.at(-1)!.id;
        onTicks(
          which,
          messages.map(({ message }) => tickOf(message)),
        );
      }
    };
    loop().catch(() => {});
  });
  return { close: async () => clients.forEach((client) => void client.destroy()) };
}

export async function reader(connection: unknown): Promise<Reader> {
  const client = await open(connection);
  return {
    latest: async (symbol) => tickOf({ ...(await client.hGetAll(`latest:${symbol}`)) }),
    close: () => client.close(),
  };
}

export async function ohlc(connection: unknown): Promise<BarSums> {
  const client = await open(connection);
  const bars = new Map<string, { o: number; h: number; l: number; c: number; v: number }>();
  let start = "-";
  for (;;) {
    const entries = (await client.xRange("ticks", start, "+", { COUNT: 10_000 })) ?? [];
    for (const { message } of entries) fold(bars, tickOf(message as Record<string, string>));
    if (entries.length < 10_000) break;
    start = `(${entries.at(-1)!.id}`;
  }
  await client.close();
  const sums = emptySums();
  for (const { o, h, l, c, v } of bars.values()) addBar(sums, o, h, l, c, v);
  return sums;
}

function fold(bars: Map<string, { o: number; h: number; l: number; c: number; v: number }>, tick: Tick): void {
  const key = `${tick.symbol} ${Math.floor(tick.time_ms / 60_000)}`;
  const bar = bars.get(key);
  if (bar === undefined) {
    bars.set(key, { o: tick.bid, h: tick.bid, l: tick.bid, c: tick.bid, v: tick.volume });
    return;
  }
  bar.h = Math.max(bar.h, tick.bid);
  bar.l = Math.min(bar.l, tick.bid);
  bar.c = tick.bid;
  bar.v += tick.volume;
}
