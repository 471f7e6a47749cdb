/**
 * Technical indicators as steps over a state of a few numbers, which lies in an array of its owner: capturing and
 * restoring a state is copying its numbers. The formulas are, to the last bit, those of `trading-signals`, which the
 * tests hold them against.
 *
 * - sma: mean of the newest `period` values
 * - ema: weight 2 / (period + 1), begun with the first value; shown from the `period`-th value on
 * - rsi: Wilder's smoothing of gains and losses over `period` changes; 100 where there were no losses
 * - macd: ema(short) − ema(long), its ema(signal), and their difference; shown from the `long`-th value on
 * - bollinger: mean of the newest `period` values ± `deviations` population standard deviations
 * - atr: Wilder's smoothing of the true range over `period` rows
 */
import type { IndicatorName, IndicatorSpec } from "./types.ts";

export interface IndicatorStep {
  /** How many numbers its state takes. All of them are zero before the first row. */
  readonly width: number;
  /**
   * Takes the inputs of the next row, none of them null, and writes its outputs from `to` on: NaN while warming up.
   * The state begins at `at`.
   */
  next(state: Float64Array, at: number, inputs: Float64Array, outputs: Float64Array, to: number): void;
}

/** What is added to the name of an indicator for each of its outputs. */
export const outputSuffixes = {
  sma: [""],
  ema: [""],
  rsi: [""],
  macd: ["", "_signal", "_histogram"],
  bollinger: ["_lower", "_middle", "_upper"],
  atr: [""],
} as const satisfies Record<IndicatorName, readonly string[]>;

/** The output fields of an indicator, in the order of its results. */
export const outputsOf = ({ as, indicator }: IndicatorSpec): readonly string[] =>
  outputSuffixes[indicator].map((suffix) => `${as}${suffix}`);

export function createStep({ indicator, parameters }: IndicatorSpec): IndicatorStep {
  const period = parameters.period!;
  switch (indicator) {
    case "sma":
      return simpleAverage(period);
    case "bollinger":
      return bollingerBands(period, parameters.deviations!);
    case "ema":
      return exponentialAverage(period);
    case "rsi":
      return relativeStrength(period);
    case "atr":
      return averageTrueRange(period);
    case "macd":
      return convergence(parameters.short!, parameters.long!, parameters.signal!);
  }
}

/** State: how many values are kept, the place of the oldest, and the values as a ring. */
const ringWidth = (period: number): number => 2 + period;

/** Whether the ring is full now. */
function pushRecent(state: Float64Array, at: number, period: number, value: number): boolean {
  const place = state[at + 1]!;
  state[at + 2 + place] = value;
  state[at + 1] = place + 1 === period ? 0 : place + 1;
  if (state[at]! < period) state[at]! += 1;
  return state[at] === period;
}
/** Of a full ring, summed from the oldest value on. */
function meanOfRecent(state: Float64Array, at: number, period: number): number {
  const from = at + 2;
  const oldest = from + state[at + 1]!;
  let sum = 0;
  for (let place = oldest; place < from + period; place++) sum += state[place]!;
  for (let place = from; place < oldest; place++) sum += state[place]!;
  return sum / period;
}
function deviationOfRecent(state: Float64Array, at: number, period: number, mean: number): number {
  const from = at + 2;
  const oldest = from + state[at + 1]!;
  let sum = 0;
  for (let place = oldest; place < from + period; place++) sum += (state[place]! - mean) * (state[place]! - mean);
  for (let place = from; place < oldest; place++) sum += (state[place]! - mean) * (state[place]! - mean);
  return Math.sqrt(sum / period);
}

function simpleAverage(period: number): IndicatorStep {
  return {
    width: ringWidth(period),
    next(state, at, inputs, outputs, to) {
      outputs[to] = pushRecent(state, at, period, inputs[0]!) ? meanOfRecent(state, at, period) : NaN;
    },
  };
}

function bollingerBands(period: number, deviations: number): IndicatorStep {
  return {
    width: ringWidth(period),
    next(state, at, inputs, outputs, to) {
      const full = pushRecent(state, at, period, inputs[0]!);
      const middle = full ? meanOfRecent(state, at, period) : NaN;
      const distance = full ? deviationOfRecent(state, at, period, middle) * deviations : NaN;
      outputs[to] = middle - distance;
      outputs[to + 1] = middle;
      outputs[to + 2] = middle + distance;
    },
  };
}

/** State: how many values have been seen, as far as that matters, and the average. */
const AVERAGE_WIDTH = 2;

function averageExponentially(state: Float64Array, at: number, period: number, value: number): number {
  const weight = 2 / (period + 1);
  const former = state[at] === 0 ? value : state[at + 1]!;
  if (state[at]! < period) state[at]! += 1;
  state[at + 1] = value * weight + former * (1 - weight);
  return state[at + 1]!;
}
/** Wilder's smoothing: the plain sum until there are `period` values, their mean then. Whether it is an average now. */
function averageByWilder(state: Float64Array, at: number, period: number, value: number): boolean {
  const seen = state[at]!;
  const former = state[at + 1]!;
  if (seen === period) {
    state[at + 1] = (value - former) * (1 / period) + former;
    return true;
  }
  state[at] = seen + 1;
  state[at + 1] = seen + 1 === period ? (former + value) / period : former + value;
  return seen + 1 === period;
}

function exponentialAverage(period: number): IndicatorStep {
  return {
    width: AVERAGE_WIDTH,
    next(state, at, inputs, outputs, to) {
      const average = averageExponentially(state, at, period, inputs[0]!);
      outputs[to] = state[at] === period ? average : NaN;
    },
  };
}

/** State: the short, the long and the signal average. */
function convergence(short: number, long: number, signal: number): IndicatorStep {
  return {
    width: AVERAGE_WIDTH * 3,
    next(state, at, inputs, outputs, to) {
      const value = inputs[0]!;
      const difference =
        averageExponentially(state, at, short, value) - averageExponentially(state, at + AVERAGE_WIDTH, long, value);
      const shown = state[at + AVERAGE_WIDTH] === long;
      const average = shown ? averageExponentially(state, at + AVERAGE_WIDTH * 2, signal, difference) : NaN;
      outputs[to] = shown ? difference : NaN;
      outputs[to + 1] = average;
      outputs[to + 2] = difference - average;
    },
  };
}

/** State: whether there was a value before, that value, the averages of gains and of losses. */
function relativeStrength(period: number): IndicatorStep {
  return {
    width: 2 + AVERAGE_WIDTH * 2,
    next(state, at, inputs, outputs, to) {
      const value = inputs[0]!;
      const change = state[at] === 0 ? 0 : value - state[at + 1]!;
      const isFirst = state[at] === 0;
      state[at] = 1;
      state[at + 1] = value;
      outputs[to] = NaN;
      if (isFirst) return;
      averageByWilder(state, at + 4, period, change > 0 ? 0 : -change);
      if (!averageByWilder(state, at + 2, period, change > 0 ? change : 0)) return;
      const losses = state[at + 5]!;
      outputs[to] = losses === 0 ? 100 : 100 - 100 / (state[at + 3]! / losses + 1);
    },
  };
}

/** State: whether there was a row before, its close, the average of true ranges. */
function averageTrueRange(period: number): IndicatorStep {
  return {
    width: 2 + AVERAGE_WIDTH,
    next(state, at, inputs, outputs, to) {
      const high = inputs[0]!;
      const low = inputs[1]!;
      const before = state[at + 1]!;
      const range =
        state[at] === 0 ? high - low : Math.max(high - low, Math.abs(high - before), Math.abs(low - before));
      state[at] = 1;
      state[at + 1] = inputs[2]!;
      outputs[to] = averageByWilder(state, at + 2, period, range) ? state[at + 3]! : NaN;
    },
  };
}
