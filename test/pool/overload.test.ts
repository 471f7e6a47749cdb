/**
 * Far more than the pool can take, over many sockets at once: memory stays bounded, the excess is answered with
 * back-pressure or `overloaded`, whatever was acknowledged survives a kill, and afterwards all is as before.
 * MILLPOND_RUNS sets how many seconds it lasts.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { connect } from "../../client/node.ts";
import { systemTimers } from "../../src/base/index.ts";
import { type Column, encodeBatch } from "../../src/batch/index.ts";
import { eventually, runs, temporaryFolder } from "../support/folder.ts";
import { MemoryProbe, megabytes } from "../support/memory.ts";
import { type PoolProcess, startPool } from "../support/pool-process.ts";
import { RawStream } from "../support/raw-stream.ts";

const seconds = runs(2);
const sockets = 32;
const rowsOfBatch = 1_000;
const start = Date.UTC(2026, 0, 5, 10) * 1000;
/** More than a socket of ours holds back: the pool has stopped reading it. */
const heldBackBytes = 1024 * 1024;
const mostGrowthBytes = 450 * 1024 * 1024;

/** One writer that never waits for an answer, only for its own send buffer. */
class Flood {
  readonly stream: RawStream;
  /** First row number and count of batches that are durable by their receipt. */
  readonly acknowledged: number[] = [];
  readonly codes = new Map<string, number>();
  heldBack = 0;
  readonly #symbol: string;
  #underWay = 0;
  #next = 1;
  #mending = false;

  constructor(stream: RawStream, symbol: string) {
    this.stream = stream;
    this.#symbol = symbol;
  }
  async run(untilMs: number): Promise<void> {
    while (performance.now() < untilMs) {
      if (this.#mending && this.#underWay > 0) {
        await systemTimers.delay(1);
        continue;
      }
      this.#mending = false;
      this.#send();
      while (this.stream.socket.bufferedAmount > heldBackBytes) {
        this.heldBack += 1;
        await systemTimers.delay(2);
        if (performance.now() >= untilMs) return;
      }
      if (this.#next % 8 === 0) await systemTimers.delay(0);
    }
  }
  async settled(): Promise<void> {
    await eventually(`answers to ${this.#symbol}`, () => this.#underWay === 0, 60_000);
  }

  #send(): void {
    const batch = this.#next++;
    this.#underWay += 1;
    void this.stream.appendColumns(batch, batchOf(this.#symbol, batch)).then((answer) => {
      this.#underWay -= 1;
      if (answer.type === "receipt") {
        this.acknowledged.push(batch);
        return;
      }
      // Everything behind a refused batch is refused too: begin again with the first that has no receipt.
      const code = String(answer.code);
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
      this.#mending = true;
      this.#next = Math.min(this.#next, batch);
    });
  }
}

function batchOf(symbol: string, batch: number): Uint8Array {
  const ids = Float64Array.from({ length: rowsOfBatch }, (_, index) => batch * rowsOfBatch + index);
  const number = (values: Float64Array): Column => ({ kind: "number", values, nulls: null });
  return encodeBatch({
    count: rowsOfBatch,
    columns: [
      { kind: "text", dictionary: [symbol], indexes: new Uint32Array(rowsOfBatch), nulls: null },
      number(ids.map((id) => start + id * 1000)),
      number(new Float64Array(rowsOfBatch).fill(1)),
      number(new Float64Array(rowsOfBatch).fill(1.1)),
      number(ids),
    ],
  });
}

async function counts(pool: PoolProcess): Promise<Map<string, { rows: number; distinct: number; last: number }>> {
  const { status, body } = await pool.http<{ rows: { symbol: string; rows: number; first: number; last: number }[] }>(
    "POST",
    "/v1/datasets/ticks/query",
    {
      group: [{ as: "symbol", value: "symbol" }],
      aggregates: {
        rows: { function: "count" },
        first: { function: "min", input: "volume" },
        last: { function: "max", input: "volume" },
      },
    },
  );
  assert.equal(status, 200, JSON.stringify(body));
  return new Map(
    body.rows.map(({ symbol, rows, first, last }) => [symbol, { rows, distinct: last - first + 1, last }]),
  );
}

it(`stays bounded and honest under ${seconds} s of overload`, async (test) => {
  const folder = await temporaryFolder(test, "overload");
  const pool = await startPool(folder);
  const floods: Flood[] = [];
  for (let place = 0; place < sockets; place++) {
    const stream = await RawStream.signIn(pool, { session: `overload-${place}` });
    await stream.ask({ type: "open", dataset: "ticks" });
    floods.push(new Flood(stream, `S${place}`));
  }
  test.after(() => {
    for (const { stream } of floods) stream.close();
  });
  const before = await pool.rssBytes();
  const memory = new MemoryProbe(pool);
  const endMs = performance.now() + seconds * 1000;
  await Promise.all(floods.map((flood) => flood.run(endMs)));
  const grown = (await memory.stop()) - before;
  await Promise.all(floods.map((flood) => flood.settled()));

  const codes = new Map<string, number>();
  for (const flood of floods) for (const [code, count] of flood.codes) codes.set(code, (codes.get(code) ?? 0) + count);
  const heldBack = floods.filter((flood) => flood.heldBack > 0).length;
  const batches = floods.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  test.diagnostic(
    `${batches * rowsOfBatch} rows durable, memory grew by ${megabytes(grown)} MB, ${heldBack} of ${sockets} sockets held back, ` +
      `refused ${JSON.stringify(Object.fromEntries(codes))}`,
  );
  assert.ok(grown < mostGrowthBytes, `memory grew by ${megabytes(grown)} MB`);
  assert.ok(heldBack + (codes.get("overloaded") ?? 0) > sockets / 2, "the pool was never overloaded");
  const typed = ["overloaded", "batch_out_of_order", "gate_reset"];
  assert.deepEqual(
    [...codes.keys()].filter((code) => !typed.includes(code)),
    [],
  );
  assert.equal(pool.errors, "");

  const client = await connect({ url: pool.addresses.url, token: pool.token });
  const { account } = await client
    .dataset("ticks")
    .append([{ symbol: "AFTER", time: start, bid: 1, ask: 1, volume: 1 }]);
  client.close();
  assert.equal(account.accepted, 1, "normal again");
  assert.equal((await pool.http("GET", "/health/ready")).status, 200);
  await pool.kill();

  const next = await startPool(folder);
  const found = await counts(next);
  for (const [place, { acknowledged }] of floods.entries()) {
    const newest = Math.max(0, ...acknowledged);
    assert.equal(acknowledged.length, newest, "receipts are dense");
    if (newest === 0) continue;
    const { rows, distinct, last } = found.get(`S${place}`)!;
    assert.equal(rows, distinct, "no row twice and none missing between");
    assert.equal(last, (newest + 1) * rowsOfBatch - 1, "all that was acknowledged, and nothing that was refused");
  }
  const rowsStored = [...found.values()].reduce((sum, { rows }) => sum + rows, 0);
  assert.equal(rowsStored, batches * rowsOfBatch + 1, "nothing that was refused is stored");
  const report = await next.verify();
  assert.ok(report.ok, JSON.stringify(report.log));
  assert.equal(report.unaccounted, 0);
  await next.kill();
});
