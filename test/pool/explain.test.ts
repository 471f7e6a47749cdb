/**
 * The story of a value: a tick back to its place in the batch a terminal sent, a corrected candle back to the very rows
 * it was made of and to what it was before, seen by a subscriber as it came about.
 */
import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { BridgeClient } from "../../connect/simulator/bridge-client.ts";
import { market } from "../../pools/market/index.ts";
import { createEnvironment, formatInstant, toHex } from "../../src/base/index.ts";
import { rowsOf } from "../../src/batch/index.ts";
import type { Ack, TickRow } from "../../src/feed/index.ts";
import { createTokenAuthenticator, type Explanation, openPool, openTokens, type Pool } from "../../src/pool/index.ts";
import type { Frame } from "../../src/subscribe/index.ts";
import { eventually, temporaryFolder } from "../support/folder.ts";

const minute = Date.UTC(2026, 0, 5, 10, 31);
/** A tick so many milliseconds into the minute. */
const tick = (ms: number, bid: unknown, ask: unknown, symbol = "EURUSD.m"): TickRow =>
  [symbol, minute + ms, bid, ask, null, 1, 6] as TickRow;

class Terminal {
  readonly client: BridgeClient;
  readonly acks: Ack[] = [];

  constructor(test: TestContext, url: string, token: string) {
    this.client = new BridgeClient({
      ...{ url, token, feed: "simulated", serverTimeZone: "UTC", environment: createEnvironment() },
      terminal: { id: "t-1", name: "Test terminal", simulated: true },
      symbols: [{ name: "EURUSD.m", digits: 5, point: 0.00001 }],
      serverTime: () => null,
      onAck: (ack) => this.acks.push(ack),
    });
    const stop = new AbortController();
    const run = this.client.run(stop.signal);
    test.after(async () => {
      stop.abort();
      await run;
    });
  }
  async send(...rows: readonly TickRow[]): Promise<Ack> {
    const before = this.acks.length;
    for (const row of rows) this.client.add(row);
    this.client.flush();
    await eventually("an ack", () => this.acks.length > before);
    return this.acks.at(-1)!;
  }
}

async function opened(test: TestContext) {
  const folder = await temporaryFolder(test, "explain");
  const environment = createEnvironment();
  const tokens = openTokens(folder, environment);
  const pool = await openPool(market, { folder, environment });
  test.after(() => pool.close());
  const { url, bridgeUrl } = await pool.listen({
    authenticator: createTokenAuthenticator(tokens),
    port: 0,
    bridgePort: 0,
  });
  const terminal = new Terminal(test, bridgeUrl!, tokens.find(({ id }) => id === "feed:bridge")!.token);
  return { pool, url, terminal, token: tokens[0]!.token };
}

it("follows a tick back to its place in the batch as received", async (test) => {
  const { pool, url, terminal, token } = await opened(test);
  await terminal.send(tick(100, 1.1, 1.1002));
  const ack = await terminal.send(
    tick(200, "much", 1.1),
    tick(300, 1.2, 1.1),
    tick(100, 1.1, 1.1002),
    tick(400, 1.1001, 1.1003),
    tick(500, 1.3, 1.31),
    tick(600, 1.1004, 1.1006),
  );
  assert.deepEqual({ ...ack.account }, { received: 6, accepted: 2, duplicate: 1, quarantined: 2, late: 0, refused: 1 });

  const at = (minute + 600) * 1000;
  const told = await pool.explain("ticks", ["EURUSD"], at);
  assert.equal(told.position, ack.position);
  assert.equal(told.placeInBatch, 5, "four rows before it were turned away");
  assert.equal(told.place, 1);
  assert.deepEqual(told.row, { symbol: "EURUSD", time: at, bid: 1.1004, ask: 1.1006, volume: 1 });
  assert.ok(told.cause.kind === "feed");
  assert.equal(told.cause.feed, "simulated");
  assert.match(told.cause.session, new RegExp(terminal.client.session));
  assert.equal(told.cause.batch, 2);
  assert.equal(told.commit.actor, "feed:bridge");
  assert.deepEqual(
    told.rules.map(({ rule, holds, otherwise }) => [rule, holds, otherwise]),
    [
      ["price_positive", true, "quarantine"],
      ["crossed", true, "quarantine"],
      ["jump", true, "quarantine"],
    ],
  );
  const [commit] = await pool.door.read(ack.position - 1, { commits: 1 });
  assert.equal(told.commit.hash, toHex(commit!.hash));
  assert.equal(told.commit.previous, toHex(commit!.previous));
  assert.deepEqual(told.superseded, []);

  const first = await pool.explain("ticks", ["EURUSD"], (minute + 100) * 1000);
  assert.equal(first.placeInBatch, 0);
  assert.equal(first.rules.find(({ rule }) => rule === "jump")!.holds, null, "there was no row before it");

  const answer = await fetch(`${url}/v1/datasets/ticks/explain/EURUSD/${formatInstant(at)}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), JSON.parse(JSON.stringify(told)), "HTTP tells the same");
});

/** Frames of the candles as they come. */
function watch(test: TestContext, pool: Pool): Frame[] {
  const frames: Frame[] = [];
  const stop = new AbortController();
  const request = { dataset: "candles_1m", from: "start", provisional: true } as const;
  const done = (async () => {
    for await (const frame of pool.subscribe(request, stop.signal)) frames.push(frame);
  })();
  test.after(async () => {
    stop.abort();
    await done.catch(() => {});
  });
  return frames;
}
const closes = (frame: Frame): unknown[] =>
  "batch" in frame ? rowsOf(frame.layout, frame.batch).map(({ time, close, revision }) => [time, close, revision]) : [];

it("follows a corrected candle back to its rows and its former self", async (test) => {
  const { pool, terminal } = await opened(test);
  const frames = watch(test, pool);
  const start = minute * 1000;
  const sources: [number, number][] = [];
  const note = (ack: Ack, place: number): void => {
    sources.push([ack.position, place]);
  };

  const first = await terminal.send(tick(1_000, 1, 1), tick(30_000, 1.02, 1.02));
  note(first, 0);
  note(first, 1);
  await eventually("a provisional row", () => frames.some(({ kind }) => kind === "provisional"));
  assert.deepEqual(closes(frames.findLast(({ kind }) => kind === "provisional")!), [[start, 1.02, 0]]);
  assert.ok(!frames.some((frame) => frame.kind === "rows" && frame.batch.count > 0), "nothing final yet");

  await terminal.send(tick(70_000, 1.01, 1.01));
  const finals = () => frames.filter((frame) => frame.kind === "rows" && frame.batch.count > 0);
  await eventually("the final row", () => finals().length === 1);
  assert.deepEqual(closes(finals()[0]!), [[start, 1.02, 0]]);

  const late = await terminal.send(tick(45_000, 1.03, 1.03));
  assert.equal(late.account.accepted, 1);
  note(late, 0);
  await eventually("the correction", () => finals().length === 2);
  const correction = finals()[1]!;
  assert.ok(correction.kind === "rows" && correction.operation === "correct");
  assert.deepEqual(closes(correction), [[start, 1.03, 1]]);
  assert.ok(correction.cause?.kind === "flow");
  const [why] = correction.cause.corrections ?? [];
  assert.deepEqual(
    { reason: why?.reason, position: why?.position, sourcePlace: why?.sourcePlace },
    { reason: "late_row", position: late.position, sourcePlace: 0 },
  );
  assert.ok(why?.replaced.includes(1.02), "it says what it replaced");

  const told: Explanation = await pool.explain("candles_1m", ["EURUSD"], start);
  assert.equal(told.row.revision, 1);
  assert.equal(told.row.close, 1.03);
  assert.deepEqual(
    told.superseded.map(({ revision, close, ticks }) => [revision, close, ticks]),
    [[0, 1.02, 2]],
  );
  const { derivation } = told;
  assert.equal(derivation?.source, "ticks");
  assert.equal(derivation?.moreRows, false);
  const rows = derivation!.rows.map(({ _position, _place }) => [_position, _place]);
  assert.deepEqual(new Set(rows.map(String)), new Set(sources.map(String)), "exactly the rows of its minute");
  assert.ok(derivation!.fields.close!.sources.length >= 2, "close comes from bid and ask");
  assert.ok(told.cause.kind === "flow" && told.commit.actor === "flow:candles_1m");
});
