import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Row, rowAt } from "../batch/index.ts";
import { count, last, max, sum } from "../expression/index.ts";
import { derivedOf, drive, FakeLog, finalState, propertyRuns, type Step, ticks } from "./flow-fixture.ts";
import { createFlow, flow } from "./index.ts";

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;

const minutes = flow(ticks)
  .window({ every: "1m", by: "symbol" })
  .aggregate((t) => ({ high: max(t.price), close: last(t.price), ticks: count() }))
  .into("candles_1m");
const fives = flow(minutes)
  .where((t) => t.ticks.gt(1))
  .window({ every: "5m", by: "symbol", lateness: "1m" })
  .aggregate((t) => ({ high: max(t.high), close: last(t.close), ticks: sum(t.ticks), minutes: count() }))
  .into("candles_5m");
const marked = flow(minutes)
  .where((t) => t.ticks.gt(1))
  .derive((t) => ({ range: t.high.minus(t.close) }))
  .into("marked");

const candle = (minute: number, ticksOf: number, high = 1): Row => ({
  symbol: "A",
  time: minute * MINUTE,
  high,
  close: high,
  ticks: ticksOf,
  revision: 0,
});
const rows = (...given: Row[]): Step => ({ session: "s", rows: given });
const corrects = (...given: Row[]): Step => ({ session: "s", rows: given, operation: "correct" });
const end: Step = { session: "s", event: "ended" };

test("windows over a source whose rows are superseded count each row once, in its newest form", () => {
  const rowArbitrary = fc.record({ minute: fc.nat(12), ticks: fc.integer({ min: 1, max: 4 }), high: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(rowArbitrary, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), (given, size) => {
      const all = given.map(({ minute, ticks: number, high }) => candle(minute, number, high));
      const steps: Step[] = [];
      for (let from = 0; from < all.length; from += size) steps.push(rows(...all.slice(from, from + size)));
      const derived = derivedOf(
        drive(fives, minutes.into, [...steps, end], { saveEvery: 2, crashes: new Map([[3, "lost"]]) }),
        fives,
      );
      const { causes: _, ...single } = derivedOf(
        drive(fives, minutes.into, [...all.map((row) => rows(row)), end]),
        fives,
      );
      const { causes: __, ...rest } = derived;
      assert.deepEqual(rest, single);
      const newest = [...new Map(all.map((row) => [row.time, row])).values()].filter((row) => Number(row.ticks) > 1);
      for (const found of finalState(derived, fives.into).values()) {
        const own = newest
          .filter((row) => Math.floor(Number(row.time) / (5 * MINUTE)) * 5 * MINUTE === found.time)
          .sort((one, two) => Number(one.time) - Number(two.time));
        assert.equal(found.minutes, own.length);
        assert.equal(found.ticks, own.length === 0 ? null : own.reduce((all, row) => all + Number(row.ticks), 0));
        assert.equal(found.close, own.at(-1)?.close ?? null);
        assert.equal(found.high, own.length === 0 ? null : Math.max(...own.map((row) => Number(row.high))));
      }
      const windowsOf = (row: Row) => Math.floor(Number(row.time) / (5 * MINUTE));
      for (const row of newest)
        assert.ok([...finalState(derived, fives.into).values()].some((found) => windowsOf(found) === windowsOf(row)));
    }),
    { numRuns: propertyRuns },
  );
});

test("a correction of a source row is told from a late row", () => {
  const steps = [
    rows(candle(0, 2, 5), candle(1, 2, 3), candle(6, 2)),
    corrects(candle(0, 2, 2)),
    rows(candle(2, 3, 9)),
  ];
  const { corrections, corrected } = derivedOf(drive(fives, minutes.into, steps), fives);
  assert.deepEqual(
    corrections.map(({ reason, sourceRow }) => [reason, sourceRow]),
    [
      ["correction", 3],
      ["late_row", 4],
    ],
  );
  assert.deepEqual(
    corrected.map(({ high, minutes: number }) => [high, number]),
    [
      [3, 2],
      [9, 3],
    ],
  );
});

test("derived rows are a source like any other: a late tick corrects the candle of five minutes too", () => {
  const first = createFlow(minutes, { contract: ticks });
  const second = createFlow(fives, { contract: minutes.into });
  const log = new FakeLog(ticks);
  for (const running of [first, second]) running.goLive();
  const feed = (session: string, ...given: (readonly [second: number, price: number])[]): void => {
    const made = given.map(([at, price]) => ({ symbol: "A", time: at * SECOND, price, volume: 1, venue: "x" }));
    let from = log.commits.length;
    log.step({ session, rows: made });
    while (from < log.commits.length) {
      const run = log.commits.slice(from);
      from = log.commits.length;
      for (const running of [first, second]) running.apply(run);
      for (const running of [first, second]) for (const draft of running.takeDrafts()) log.append(draft);
    }
  };
  feed("s", [1, 1], [2, 2], [310, 1], [311, 1], [370, 1], [371, 1], [430, 1]);
  feed("s", [3, 8], [500, 1]);
  const { appended, corrected, corrections } = derivedOf(log, fives);
  assert.deepEqual(
    [appended, corrected].map(([row]) => [row?.high, row?.ticks, row?.revision]),
    [
      [2, 2, 0],
      [8, 3, 1],
    ],
  );
  assert.equal(corrections[0]!.reason, "correction");
});

test("corrections in a source where key and time do not name one row are recorded as left out", () => {
  const tick = { symbol: "A", time: 1, price: 1, volume: 1, venue: "x" };
  const derived = derivedOf(drive(minutes, ticks, [rows(tick), corrects(tick), end]), minutes);
  assert.deepEqual(derived.leftOut, [{ reason: "correction_ambiguous", sourceRow: 1 }]);
  assert.equal(derived.appended[0]!.ticks, 1);
});

test("row by row: rows that pass the filter go on with the derived fields", () => {
  const steps = [rows(candle(0, 1), { ...candle(1, 2, 7), close: 4 }), rows({ ...candle(2, 3, 7), high: null })];
  const { appended } = derivedOf(drive(marked, minutes.into, steps), marked);
  assert.deepEqual(appended, [
    { ...candle(1, 2, 7), close: 4, range: 3 },
    { ...candle(2, 3, 7), high: null, range: null },
  ]);
});

test("row by row: what a corrected source row was, its derived row says too", () => {
  const log = new FakeLog(minutes.into);
  const running = createFlow(marked, { contract: minutes.into });
  running.goLive();
  const layout = minutes.into.layout;
  const cellsOf = (row: Row) => layout.map(({ name }) => row[name]!);
  const [was, is] = [
    [candle(1, 2, 5), candle(2, 1), candle(3, 2)],
    [candle(1, 2, 6), candle(2, 2), candle(3, 1)],
  ];
  const draft = log.step(corrects(...is));
  const corrections = was.map((row, place) => ({
    place,
    reason: "late_row" as const,
    position: 1,
    sourcePlace: 0,
    replaced: cellsOf(row),
  }));
  running.apply([{ ...draft, cause: { kind: "flow", flow: "candles_1m", after: 0, through: 1, corrections } }]);
  const [made] = running.takeDrafts();
  const [append, correct] = made!.changes;
  assert.equal(rowAt(running.layout, append!.batch, 0).time, 2 * MINUTE);
  assert.equal(rowAt(running.layout, correct!.batch, 0).high, 6);
  assert.ok(made!.cause.kind === "flow" && "leftOut" in made!.cause);
  assert.deepEqual(made!.cause.leftOut, [
    { reason: "no_longer_matches", position: 1, sourcePlace: 2, time: 3 * MINUTE },
  ]);
  assert.deepEqual(made!.cause.corrections?.[0]?.replaced, [...cellsOf(was[0]!), 0]);
});
