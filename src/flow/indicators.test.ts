import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import type { Row } from "../batch/index.ts";
import { float, instant, integer, optional, series, text } from "../contract/index.ts";
import { derivedOf, drive, finalState, propertyRuns, type Step } from "./flow-fixture.ts";
import { atr, bollinger, createFlow, ema, indicators, macd, rsi, sma } from "./index.ts";

const bars = series("bars", {
  fields: {
    symbol: text({ max: 32 }),
    time: instant(),
    high: optional(float()),
    low: float(),
    close: float(),
    ticks: integer(),
  },
  key: ["symbol"],
  time: "time",
  identity: "keyTime",
});
const declared = {
  average: sma({ period: 3 }),
  smooth: ema({ period: 4 }),
  strength: rsi({ period: 3 }),
  trend: macd({ short: 2, long: 5, signal: 3 }),
  band: bollinger({ period: 4, deviations: 1.5 }),
  range: atr({ period: 3 }),
};
const spec = indicators(bars, declared).into("signals");

type Series = readonly (number | null)[];
const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

function simple(values: readonly number[], period: number): Series {
  return values.map((_, at) => (at < period - 1 ? null : total(values.slice(at - period + 1, at + 1)) / period));
}
function exponential(values: readonly number[], period: number): number[] {
  const weight = 2 / (period + 1);
  const averages: number[] = [];
  for (const value of values)
    averages.push(averages.length === 0 ? value : value * weight + averages.at(-1)! * (1 - weight));
  return averages;
}
function wilder(values: readonly number[], period: number): Series {
  let average: number | undefined;
  return values.map((value, at) => {
    if (at === period - 1) average = total(values.slice(0, period)) / period;
    else if (average !== undefined) average = (average * (period - 1) + value) / period;
    return average ?? null;
  });
}
const shown = (values: readonly number[], from: number): Series =>
  values.map((value, at) => (at < from ? null : value));

/** The formulas as textbooks give them, over rows in the order of time. */
function naive(rows: readonly Row[]): Record<string, Series> {
  const closes = rows.map((row) => Number(row.close));
  const changes = closes.slice(1).map((close, at) => close - closes[at]!);
  const gains = wilder(
    changes.map((change) => Math.max(change, 0)),
    3,
  );
  const losses = wilder(
    changes.map((change) => Math.max(-change, 0)),
    3,
  );
  const strength = gains.map((gain, at) =>
    gain === null ? null : losses[at] === 0 ? 100 : 100 - 100 / (1 + gain / losses[at]!),
  );
  const [short, long] = [exponential(closes, 2), exponential(closes, 5)];
  const trend = closes.map((_, at) => short[at]! - long[at]!);
  const signal = [...closes.slice(0, 4).map(() => 0), ...exponential(trend.slice(4), 3)];
  const middle = simple(closes, 4);
  const spread = closes.map((_, at) => {
    const recent = closes.slice(Math.max(0, at - 3), at + 1);
    return 1.5 * Math.sqrt(total(recent.map((close) => (close - total(recent) / recent.length) ** 2)) / recent.length);
  });
  const whole = rows.filter((row) => row.high !== null);
  const ranges = whole.map((row, at) => {
    const [high, low] = [Number(row.high), Number(row.low)];
    const before = at === 0 ? undefined : Number(whole[at - 1]!.close);
    return before === undefined ? high - low : Math.max(high - low, Math.abs(high - before), Math.abs(low - before));
  });
  const averages = wilder(ranges, 3);
  return {
    average: simple(closes, 3),
    smooth: shown(exponential(closes, 4), 3),
    strength: [null, ...strength].slice(0, closes.length),
    trend: shown(trend, 4),
    trend_signal: shown(signal, 4),
    trend_histogram: shown(
      trend.map((value, at) => value - signal[at]!),
      4,
    ),
    band_lower: middle.map((value, at) => (value === null ? null : value - spread[at]!)),
    band_middle: middle,
    band_upper: middle.map((value, at) => (value === null ? null : value + spread[at]!)),
    range: rows.map((row) => (row.high === null ? null : averages[whole.indexOf(row)]!)),
  };
}

function assertClose(actual: unknown, expected: number | null, name: string): void {
  if (expected === null || typeof actual !== "number") assert.equal(actual, expected, name);
  else
    assert.ok(Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)), `${name}: ${actual}, ${expected}`);
}

const barArbitrary = fc.record({
  symbol: fc.constantFrom("A", "A", "A", "B"),
  time: fc.nat(300),
  high: fc.option(fc.integer({ min: 50, max: 60 }), { freq: 10 }),
  low: fc.integer({ min: 30, max: 40 }),
  close: fc.integer({ min: 40, max: 50 }),
  ticks: fc.nat(3),
});
const barsArbitrary = fc.array(barArbitrary, { maxLength: 160, size: "max" });

/** Of rows with one key and time the last one counts. */
function surviving(rows: readonly Row[]): Row[] {
  const kept = new Map<string, Row>();
  for (const row of rows) kept.set(JSON.stringify([row.symbol, row.time]), row);
  return [...kept.values()].sort((one, two) => Number(one.time) - Number(two.time));
}

function stepsOf(rows: readonly Row[], size: number): Step[] {
  const steps: Step[] = [];
  for (let from = 0; from < rows.length; from += size)
    steps.push({ session: "s", rows: rows.slice(from, from + size) });
  return steps;
}

test("in order, late or corrected: the newest revisions follow the textbook formulas", () => {
  fc.assert(
    fc.property(barsArbitrary, fc.integer({ min: 1, max: 20 }), (rows, size) => {
      const state = finalState(derivedOf(drive(spec, bars, stepsOf(rows, size)), spec), spec.into);
      const kept = surviving(rows);
      assert.equal(state.size, kept.length);
      for (const symbol of ["A", "B"]) {
        const own = kept.filter((row) => row.symbol === symbol);
        const expected = naive(own);
        own.forEach((row, at) => {
          const found = state.get(JSON.stringify([[symbol], row.time]))!;
          for (const [name, values] of Object.entries(expected)) assertClose(found[name], values[at]!, name);
        });
      }
    }),
    { numRuns: Math.ceil(propertyRuns / 2), endOnFailure: true },
  );
});

test("corrections end in the very numbers that rows in order would have given", () => {
  fc.assert(
    fc.property(barsArbitrary, (rows) => {
      const withoutRevision = (given: readonly Row[]) => {
        const state = finalState(derivedOf(drive(spec, bars, stepsOf(given, 7)), spec), spec.into);
        return [...state].map(([name, { revision: _, ...row }]) => [name, row]);
      };
      assert.deepEqual(withoutRevision(rows), withoutRevision(surviving(rows)));
    }),
    { numRuns: Math.ceil(propertyRuns / 2), endOnFailure: true },
  );
});

test("neither batching nor crashes change what is derived; saved state goes on exactly", () => {
  const crashesArbitrary = fc.array(fc.tuple(fc.nat(40), fc.constantFrom("lost" as const, "written" as const)));
  fc.assert(
    fc.property(barsArbitrary, crashesArbitrary, fc.integer({ min: 1, max: 9 }), (rows, crashes, size) => {
      const { causes: _, ...calm } = derivedOf(drive(spec, bars, stepsOf(rows, 1)), spec);
      const options = { crashes: new Map(crashes), saveEvery: size, runs: [2, 1] };
      const { causes: __, ...stormy } = derivedOf(drive(spec, bars, stepsOf(rows, size), options), spec);
      assert.deepEqual(stormy, calm);
    }),
    { numRuns: Math.ceil(propertyRuns / 2), endOnFailure: true },
  );
});

test("a changed row that changes no value makes no correction; a late row is told from a corrected one", () => {
  const only = indicators(bars, { average: sma({ period: 2 }) }).into("averages");
  const bar = (time: number, close: number, ticks = 1): Row => ({ symbol: "A", time, high: 9, low: 1, close, ticks });
  const rows = [bar(1, 1), bar(3, 3), bar(5, 5), bar(3, 3, 2), bar(3, 4), bar(4, 8)];
  const derived = derivedOf(drive(only, bars, stepsOf(rows, 6)), only);
  assert.deepEqual(
    derived.appended.map(({ time, average }) => [time, average]),
    [
      [1, null],
      [3, 2],
      [5, 4],
      [4, 6],
    ],
  );
  assert.deepEqual(
    derived.corrected.map(({ time, average, revision }) => [time, average, revision]),
    [
      [3, 2.5, 1],
      [5, 4.5, 1],
      [5, 6.5, 2],
    ],
  );
  assert.deepEqual(
    derived.corrections.map(({ reason, sourceRow, replaced }) => [reason, sourceRow, replaced]),
    [
      ["correction", 4, ["A", 3, 2, 0]],
      ["correction", 4, ["A", 5, 4, 0]],
      ["late_row", 5, ["A", 5, 4.5, 1]],
    ],
  );
});

test("history is bounded, and a row before what is kept is recorded as left out", () => {
  const short = indicators(bars, { average: ema({ period: 2 }) }, { retained: 100 }).into("averages");
  const rows = Array.from({ length: 1_000 }, (_, time) => ({
    symbol: "A",
    time,
    high: 1,
    low: 1,
    close: time,
    ticks: 1,
  }));
  const flow = createFlow(short, { contract: bars });
  const late = { ...rows[5]!, close: 7 };
  const recent = { ...rows[950]!, close: 7 };
  const log = drive(short, bars, stepsOf([...rows, late, recent], 50));
  flow.apply(log.commits);
  assert.ok(flow.figures().retained < 100 + 3 * 64);
  const derived = derivedOf(log, short);
  assert.deepEqual(derived.leftOut, [{ reason: "beyond_retention", sourceRow: 1_000 }]);
  assert.equal(derived.corrected[0]!.time, 950);
});

test("what cannot work is refused", () => {
  const code = { code: "contract_invalid" };
  assert.throws(() => indicators(bars, { strength: rsi({ period: 1 }) }).into("signals"), code);
  assert.throws(() => indicators(bars, { average: sma({ period: 2.5 }) }).into("signals"), code);
  assert.throws(() => indicators(bars, { average: sma({ period: 2, of: "symbol" }) }).into("signals"), code);
  assert.throws(() => indicators(bars, { average: sma({ period: 2 }), average_b: sma({ period: 0 }) }).into("s"), code);
  assert.throws(() => indicators(bars, { trend: macd(), trend_signal: sma({ period: 2 }) }).into("signals"), code);
  const loose = series("loose", { fields: bars.fields, key: ["symbol"], time: "time" });
  assert.throws(() => indicators(loose, { average: sma({ period: 2 }) }).into("signals"), code);
});

const reference = new URL("../../../shared/data/bars_mt5/EURUSD_M1_copy_rates_pandas.csv", import.meta.url);
const skip = existsSync(reference) ? false : "the reference bars are not on this machine";

test("moving averages equal those a trading terminal's user computed", { skip }, () => {
  const records = parse(readFileSync(reference), { columns: true }) as Record<string, string>[];
  const averages = indicators(bars, { m9: sma({ period: 9 }), m20: sma({ period: 20 }), m200: sma({ period: 200 }) });
  const spec = averages.into("averages");
  const rows = records.map((record) => ({
    symbol: "EURUSD",
    time: Number(record.time) * 1_000_000,
    high: Number(record.high),
    low: Number(record.low),
    close: Number(record.close),
    ticks: Number(record.tick_volume),
  }));
  const { appended } = derivedOf(drive(spec, bars, stepsOf(rows, 100)), spec);
  assert.equal(appended.length, records.length);
  records.forEach((record, at) => {
    for (const name of ["M9", "M20", "M200"]) {
      const value = appended[at]![name.toLowerCase()];
      if (record[name] === "") assert.equal(value, null);
      else assert.ok(Math.abs(Number(value) - Number(record[name])) < 1e-9, `${name} of row ${at}`);
    }
  });
});
