/**
 * Subscribers that stop reading: what waits for them is bounded, the others do not notice, and when they read on they
 * are told where they stand and get everything once, or the newest of each key where they asked for that.
 */
import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { type Client, connect } from "../../client/node.ts";
import { eventually, temporaryFolder } from "../support/folder.ts";
import { MemoryProbe, megabytes } from "../support/memory.ts";
import { type PoolProcess, startPool } from "../support/pool-process.ts";
import { RawStream } from "../support/raw-stream.ts";

const start = Date.UTC(2026, 0, 5, 10) * 1000;
const symbols = ["AAA", "BBB", "CCC", "DDD"];
const rowsOfBatch = 1_000;
/** As JSON some 100 bytes a row: several times what may wait for one subscriber. */
const batches = 350;
/** What the hub lets wait, what the kernel buffers of both ends hold, and one batch. */
const mostWaitingBytes = (8 + 16 + 1) * 1024 * 1024;

async function load(client: Client, from: number, count: number): Promise<void> {
  const ticks = client.dataset("ticks");
  const under: Promise<unknown>[] = [];
  for (let batch = from; batch < from + count; batch++) {
    const rows = Array.from({ length: rowsOfBatch }, (_, index) => {
      const id = batch * rowsOfBatch + index;
      return { symbol: symbols[id % 4]!, time: start + id * 100, bid: 1 + (id % 97) / 1e4, ask: 1.02, volume: id };
    });
    under.push(ticks.append(rows));
    if (under.length >= 16) await under.shift();
  }
  await Promise.all(under);
}

interface Setting {
  readonly pool: PoolProcess;
  readonly writer: Client;
  /** Rows each of the quick subscribers has seen. */
  readonly seen: number[];
  readonly faults: string[];
}

async function opened(test: TestContext, quick: number): Promise<Setting> {
  const pool = await startPool(await temporaryFolder(test, "slow"));
  const clients: Client[] = [];
  test.after(() => {
    for (const client of clients) client.close();
  });
  const connected = async (): Promise<Client> => {
    const client = await connect({ url: pool.addresses.url, token: pool.token });
    clients.push(client);
    return client;
  };
  const seen = Array.from({ length: quick }, () => 0);
  const faults: string[] = [];
  for (let place = 0; place < quick; place++) {
    const client = await connected();
    let next = 0;
    const stream = client.dataset("ticks").subscribe(
      {},
      {
        onEvent: (event) => {
          if (event.kind !== "rows") return void faults.push(event.kind);
          for (const { volume } of event.rows) if (volume !== next++) faults.push(`${String(volume)} at ${next - 1}`);
          seen[place] = next;
        },
        onEnd: (error) => error && faults.push(String(error)),
      },
    );
    await stream.started;
  }
  return { pool, writer: await connected(), seen, faults };
}

async function metric(pool: PoolProcess, name: string): Promise<number> {
  const { body } = await pool.http<string>("GET", "/metrics");
  return Number(new RegExp(`^${name} (\\d+)`, "m").exec(body)?.[1]);
}

it("cuts a subscriber that reads nothing, with a cursor from which it misses nothing", async (test) => {
  const { pool, writer, seen, faults } = await opened(test, 8);
  const stalled = await RawStream.signIn(pool, { encoding: "json" });
  const ids: number[] = [];
  let cursor = 0;
  const holes: string[] = [];
  stalled.keep = false;
  stalled.onMessage = (message) => {
    if (message.type === "cut") cursor = Number(message.cursor);
    if (message.type !== "rows") return;
    if (!(Number(message.previous) <= cursor && cursor < Number(message.position))) {
      holes.push(`${message.previous} to ${message.position} at ${cursor}`);
    }
    cursor = Number(message.position);
    const rows = message.rows as { volume: number }[];
    for (const { volume } of rows) ids.push(volume);
  };
  await stalled.ask({ type: "subscribe", dataset: "ticks", from: "start" });
  stalled.stall();

  await load(writer, 0, 50);
  const before = await pool.rssBytes();
  const memory = new MemoryProbe(pool);
  await load(writer, 50, batches - 50);
  await eventually("the quick ones at the end", () => seen.every((count) => count === batches * rowsOfBatch));
  const grown = (await memory.stop()) - before;
  assert.deepEqual(faults, [], "the quick ones have everything, in order");
  assert.equal(await metric(pool, "millpond_stream_cuts_total"), 1, "the stalled one was cut, and nobody else");
  assert.ok(grown < 400 * 1024 * 1024, `memory grew by ${megabytes(grown)} MB`);

  let wasCut = false;
  const heard = stalled.onMessage;
  stalled.onMessage = (message) => {
    heard(message);
    if (message.type === "cut") {
      wasCut = true;
      assert.equal(message.cause, "slow_consumer");
    }
  };
  stalled.readOn();
  await eventually("the cut", () => wasCut);
  const { bytes } = stalled;
  assert.ok(bytes < mostWaitingBytes, `${megabytes(bytes)} MB had waited for it`);
  assert.ok(ids.length < batches * rowsOfBatch);
  const answer = await stalled.ask({ type: "subscribe", dataset: "ticks", from: cursor });
  assert.equal(answer.position, cursor);
  await eventually("the rest", () => ids.length >= batches * rowsOfBatch);
  assert.deepEqual(holes, []);
  assert.equal(ids.length, batches * rowsOfBatch);
  assert.ok(
    ids.every((id, place) => id === place),
    "each row once and in order",
  );
  test.diagnostic(`memory grew by ${megabytes(grown)} MB, ${megabytes(bytes)} MB had waited for the stalled one`);
  stalled.close();
});

it("conflates a subscriber that reads nothing and asked for that", async (test) => {
  const { pool, writer, seen, faults } = await opened(test, 3);
  const stalled = await RawStream.signIn(pool, { encoding: "json" });
  const newest = new Map<string, number>();
  const told = { rows: 0, conflated: 0, gaps: 0, cuts: 0 };
  stalled.keep = false;
  stalled.onMessage = ({ type, rows, conflated }) => {
    if (type === "cut") told.cuts += 1;
    if (type === "gap") told.gaps += 1;
    if (type !== "rows") return;
    told.conflated += Number(conflated ?? 0);
    for (const { symbol, volume } of rows as { symbol: string; volume: number }[]) {
      told.rows += 1;
      newest.set(symbol, volume);
    }
  };
  await stalled.ask({ type: "subscribe", dataset: "ticks", conflate: true });
  stalled.stall();
  await load(writer, 0, batches);
  await eventually("the quick ones at the end", () => seen.every((count) => count === batches * rowsOfBatch));
  assert.equal(await metric(pool, "millpond_subscriptions_conflating"), 1);
  stalled.readOn();
  const expected = new Map(symbols.map((symbol, place) => [symbol, batches * rowsOfBatch - 4 + place]));
  await eventually("the newest of each key", () =>
    symbols.every((symbol) => newest.get(symbol) === expected.get(symbol)),
  );
  assert.equal(told.rows + told.conflated, batches * rowsOfBatch, "it is told how many it did not get");
  assert.ok(told.conflated > 0 && told.gaps > 0 && told.cuts === 0, JSON.stringify(told));
  assert.deepEqual(faults, []);
  await load(writer, batches, 1);
  await eventually("rows as before", () => newest.get("DDD") === (batches + 1) * rowsOfBatch - 1);
  assert.equal(told.rows + told.conflated, (batches + 1) * rowsOfBatch);
  stalled.close();
});
