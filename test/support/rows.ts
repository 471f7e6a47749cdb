/** Everything a pool holds of a dataset, in log order, by query and by tail. */
import { type Row, rowsOf } from "../../src/batch/index.ts";
import type { Pool } from "../../src/pool/index.ts";

/** With `_position` and `_place`. */
export async function allRows(pool: Pool, dataset: string): Promise<Row[]> {
  const fields = [...pool.door.contracts.get(dataset)!.contract.layout.map(({ name }) => name), "_position", "_place"];
  const select = fields.map((name) => ({ as: name, value: { op: "field" as const, name } }));
  const atLeast = pool.door.head();
  const { layout, batch } = await pool.query({ dataset, select, limit: 1_000_000, atLeast });
  return rowsOf(layout, batch);
}

/** The rows of every commit up to the present head, as a subscriber from the start gets them. */
export async function tailed(pool: Pool, dataset: string): Promise<Row[]> {
  const head = pool.door.head();
  const rows: Row[] = [];
  const stop = new AbortController();
  let cursor = 0;
  for await (const frame of pool.subscribe({ dataset, from: "start" }, stop.signal)) {
    if (frame.kind !== "rows") throw new Error(`a ${frame.kind} frame at ${cursor}`);
    if (!(frame.previous <= cursor && cursor < frame.position)) {
      throw new Error(`a hole: ${frame.previous} to ${frame.position} at ${cursor}`);
    }
    if (frame.continued !== true) cursor = frame.position;
    rows.push(...rowsOf(frame.layout, frame.batch));
    if (cursor >= head) break;
  }
  stop.abort();
  return rows;
}
