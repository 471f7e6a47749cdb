import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ATR, BollingerBands, EMA, MACD, RSI, SMA } from "trading-signals";
import { propertyRuns } from "./flow-fixture.ts";
import { createStep } from "./indicator-steps.ts";
import type { IndicatorName } from "./types.ts";

type Outputs = readonly (number | null)[];
/** One row of high, low and close in, the outputs of the library's indicator out. */
type Reference = (high: number, low: number, close: number) => Outputs;

const references: Record<IndicatorName, (period: number, second: number, third: number) => Reference> = {
  sma(period) {
    const sma = new SMA(period);
    return (_, __, close) => [sma.add(close)];
  },
  ema(period) {
    const ema = new EMA(period);
    return (_, __, close) => {
      const average = ema.add(close);
      return [ema.isStable ? average : null];
    };
  },
  rsi(period) {
    const rsi = new RSI(period + 1);
    return (_, __, close) => [rsi.add(close)];
  },
  macd(short, long, signal) {
    const macd = new MACD(new EMA(short), new EMA(long), new EMA(signal));
    return (_, __, close) => {
      const result = macd.add(close);
      return result === null ? [null, null, null] : [result.macd, result.signal, result.histogram];
    };
  },
  bollinger(period, deviations) {
    const bands = new BollingerBands(period, deviations);
    return (_, __, close) => {
      const result = bands.add(close);
      return result === null ? [null, null, null] : [result.lower, result.middle, result.upper];
    };
  },
  atr(period) {
    const atr = new ATR(period);
    return (high, low, close) => [atr.add({ high, low, close })];
  },
};

const price = fc.oneof(
  fc.double({ min: 0.5, max: 200, noNaN: true }),
  fc.double({ min: -1e9, max: 1e9, noNaN: true }),
  fc.constant(1.1),
);
const rowsArbitrary = fc.array(fc.tuple(price, price, price), { maxLength: 60, size: "max" });
const small = fc.integer({ min: 1, max: 12 });

for (const indicator of Object.keys(references) as IndicatorName[]) {
  test(`${indicator} gives the very numbers of the library, from a copied state too`, () => {
    fc.assert(
      fc.property(rowsArbitrary, small, small, small, fc.nat(60), (rows, period, second, third, cut) => {
        const reference = references[indicator](period, second, third);
        const own = indicator === "rsi" ? period + 1 : period;
        const parameters = { period: own, short: period, long: second, signal: third, deviations: second };
        const step = createStep({ as: "x", indicator, parameters, inputs: [] });
        // The state lies among others.
        let state = new Float64Array(step.width + 2).fill(7).fill(0, 1, step.width + 1);
        rows.forEach(([high, low, close], at) => {
          if (at === cut) state = state.slice();
          const outputs = new Float64Array(3);
          const inputs = indicator === "atr" ? [high, low, close] : [close];
          step.next(state, 1, Float64Array.from(inputs), outputs, 0);
          const expected = reference(high, low, close);
          assert.deepEqual([...outputs.subarray(0, expected.length)], [...expected.map((value) => value ?? NaN)]);
        });
        assert.deepEqual([state[0], state[step.width + 1]], [7, 7]);
      }),
      { numRuns: propertyRuns },
    );
  });
}
