/** Fills a data folder with ticks through the gate of a pool in this process, as fast as it takes them. */
import { market, ticks } from "../pools/market/index.ts";
import { type Batch, batchOfRows } from "../src/batch/index.ts";
import { openPool } from "../src/pool/index.ts";
import { tickAt } from "./tick.ts";

const BATCH = 5_000;

export function batchFrom(first: number, count: number): Batch {
  const rows = Array.from({ length: count }, (_, offset) => {
    const { symbol, time_ms, bid, ask, volume } = tickAt(first + offset);
    return { symbol, time: time_ms * 1000, bid, ask, volume };
  });
  return batchOfRows(ticks.layout, rows);
}

/** @returns seconds spent */
export async function fill(folder: string, count: number): Promise<number> {
  const startMs = performance.now();
  const pool = await openPool(market, { folder });
  const waiting: Promise<unknown>[] = [];
  for (let first = 0; first < count; first += BATCH) {
    const incoming = { kind: "columns", batch: batchFrom(first, Math.min(BATCH, count - first)) } as const;
    const batch = first / BATCH + 1;
    waiting.push(
      pool.submit({ dataset: "ticks", feed: "files", session: "fill", batch, actor: "user:bench", incoming }),
    );
    if (waiting.length >= 4) await waiting.shift();
  }
  await Promise.all(waiting);
  await pool.close();
  return (performance.now() - startMs) / 1000;
}
