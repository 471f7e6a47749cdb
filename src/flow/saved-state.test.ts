import assert from "node:assert/strict";
import { test } from "node:test";
import { serialize } from "node:v8";
import fc from "fast-check";
import type { Row } from "../batch/index.ts";
import { float, instant, optional, series, text } from "../contract/index.ts";
import { first, last, max, mean, min, standardDeviation, sum } from "../expression/index.ts";
import { derivedOf, drive, type FakeLog, finalState, propertyRuns, type Step } from "./flow-fixture.ts";
import { atr, bollinger, createFlow, ema, type FlowSpec, flow, indicators, macd, rsi, sma } from "./index.ts";

const bars = series("bars", {
  fields: { symbol: text(), venue: text(), time: instant(), high: optional(float()), low: float(), close: float() },
  key: ["symbol", "venue"],
  time: "time",
  identity: "keyTime",
});
const signals = (retained: number) =>
  indicators(
    bars,
    {
      average: sma({ period: 3 }),
      smooth: ema({ period: 4 }),
      strength: rsi({ period: 3 }),
      trend: macd({ short: 2, long: 5, signal: 3 }),
      band: bollinger({ period: 4, deviations: 1.5 }),
      range: atr({ period: 3 }),
    },
    { retained },
  ).into("signals");
/** Rows of a window are told apart by their time alone, and by their time and venue. */
const windowsBy = (by: "venue" | "symbol") =>
  flow(bars)
    .window({ every: "1m", by: by === "symbol" ? ["symbol"] : ["symbol", "venue"], retained: 4 })
    .aggregate((t) => ({
      open: first(t.high),
      place: last(t.venue),
      top: max(t.high),
      low: min(t.venue),
      total: sum(t.close),
      average: mean(t.close),
      deviation: standardDeviation(t.close),
    }))
    .into("windows");

const barArbitrary = fc.record({
  symbol: fc.constantFrom("A", "A", "A", "B"),
  venue: fc.constantFrom("x", "x", "y"),
  time: fc.oneof({ weight: 5, arbitrary: fc.nat(40) }, fc.nat(600)).map((seconds) => seconds * 1_000_000),
  high: fc.option(fc.double({ min: 50, max: 60, noNaN: true }), { freq: 10 }),
  low: fc.integer({ min: 30, max: 40 }),
  close: fc.double({ min: 40, max: 50, noNaN: true }),
});
/** Times go on with the place, so that there is history to let go. */
const rowsArbitrary = fc
  .array(barArbitrary, { minLength: 150, maxLength: 500, size: "max" })
  .map((rows) => rows.map((row, place) => ({ ...row, time: row.time + place * 2_000_000 })));

function stepsOf(rows: readonly Row[]): Step[] {
  return Array.from({ length: Math.ceil(rows.length / 9) }, (_, at) => ({
    session: `s${at % 2}`,
    rows: rows.slice(at * 9, at * 9 + 9),
  }));
}

/** Two flows over one log, one of them loaded from what the other saved on the way. */
function assertGoesOn(spec: FlowSpec, log: FakeLog, cut: number): void {
  const whole = createFlow(spec, { contract: bars });
  whole.apply(log.commits.slice(0, cut));
  const saved = structuredClone(whole.save());
  const loaded = createFlow(spec, { contract: bars });
  loaded.load(saved);
  assert.deepEqual(loaded.save(), whole.save());
  assert.deepEqual(loaded.figures(), whole.figures());
  whole.apply(log.commits.slice(cut));
  loaded.apply(log.commits.slice(cut));
  assert.deepEqual(loaded.save(), whole.save());
  loaded.reset();
  assert.deepEqual(loaded.save(), createFlow(spec, { contract: bars }).save());
}

for (const [name, spec] of [
  ["indicators", signals(40)],
  ["windows whose rows are kept by time", windowsBy("venue")],
  ["windows whose rows are kept by time and venue", windowsBy("symbol")],
] as const) {
  test(`a loaded state is the saved one and goes on like it: ${name}`, () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.nat(120), (rows, cut) => {
        assertGoesOn(spec, drive(spec, bars, stepsOf(rows)), cut);
      }),
      { numRuns: Math.ceil(propertyRuns / 5), endOnFailure: true },
    );
  });
}

test("what was saved stays as it was while the flow goes on", () => {
  const rows = Array.from({ length: 300 }, (_, at) => ({
    ...{ symbol: "A", venue: "x", time: at * 1_000_000, high: 2, low: 1, close: at % 7 },
  }));
  for (const spec of [signals(40), windowsBy("venue")]) {
    const { commits } = drive(spec, bars, stepsOf(rows));
    const running = createFlow(spec, { contract: bars });
    running.apply(commits.slice(0, 20));
    const saved = running.save();
    const copy = structuredClone(saved);
    running.apply(commits.slice(20));
    assert.deepEqual(saved, copy);
    assert.notDeepEqual(running.save(), saved);
  }
});

test("saved state is a few columns: some bytes a row of history", () => {
  const rows = Array.from({ length: 5_000 }, (_, at) => ({
    ...{ symbol: `S${at % 10}`, venue: "x", time: at * 60_000_000, high: 2.1, low: 1.3, close: 1.7 + at / 1e4 },
  }));
  const sizeOf = (spec: FlowSpec): number => {
    const running = createFlow(spec, { contract: bars });
    running.apply(drive(spec, bars, stepsOf(rows)).commits);
    return serialize(running.save()).length;
  };
  assert.ok(sizeOf(signals(2_000)) < 5_000 * 40);
});

test("kept rows of equal time are told apart by the keys that the window joins", () => {
  const row = (venue: string, close: number): Row => ({
    symbol: "A",
    venue,
    time: 1_000_000,
    high: null,
    low: 1,
    close,
  });
  const state = finalState(
    derivedOf(
      drive(windowsBy("symbol"), bars, [
        { session: "s", rows: [row("x", 1), row("y", 2), row("x", 10)] },
        { session: "s", event: "ended" },
      ]),
      windowsBy("symbol"),
    ),
    windowsBy("symbol").into,
  );
  assert.deepEqual(
    [...state.values()].map(({ total }) => total),
    [12],
  );
});

test("a window that is open again is loaded with why", () => {
  const at = (seconds: number, close: number): Row => ({
    ...{ symbol: "A", venue: "x", time: seconds * 1_000_000, high: close, low: 1, close },
  });
  const log = drive(windowsBy("venue"), bars, [
    { session: "live", rows: [at(10, 1), at(70, 2)] },
    { session: "slow", rows: [at(11, 3)] },
    { session: "slow", rows: [at(65, 5)] },
    { session: "slow", event: "ended" },
  ]);
  for (let cut = 0; cut <= log.commits.length; cut++) assertGoesOn(windowsBy("venue"), log, cut);
});
