/**
 * Technical indicators as steps that can be captured and restored exactly. The formulas are those of
 * `trading-signals`; what its objects keep inside is captured as the few numbers that decide how they go on.
 *
 * - sma: mean of the newest `period` values
 * - ema: weight 2 / (period + 1), begun with the first value; shown from the `period`-th value on
 * - rsi: Wilder's smoothing of gains and losses over `period` changes; 100 where there were no losses
 * - macd: ema(short) − ema(long), its ema(signal), and their difference; shown from the `long`-th value on
 * - bollinger: mean of the newest `period` values ± `deviations` population standard deviations
 * - atr: Wilder's smoothing of the true range over `period` rows
 */
import { ATR, BollingerBands, EMA, MACD, RSI, SMA, WSMA } from "trading-signals";
import type { IndicatorName, IndicatorSpec } from "./types.ts";

export type StepResult = readonly (number | null)[];

export interface IndicatorStep {
  /** Takes the inputs of the next row, none of them null, and gives its outputs: null while warming up. */
  next(inputs: readonly number[]): StepResult;
  /** Plain data. */
  capture(): unknown;
  restore(captured: unknown): void;
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
      return new RecentStep(period, () => {
        const sma = new SMA(period);
        return (value) => [sma.add(value)];
      });
    case "bollinger":
      return new RecentStep(period, () => {
        const bands = new BollingerBands(period, parameters.deviations!);
        return (value) => {
          const result = bands.add(value);
          return result === null ? noBands : [result.lower, result.middle, result.upper];
        };
      });
    case "ema":
      return new EmaStep(period);
    case "rsi":
      return new WilderStep(period, rsiStepper);
    case "atr":
      return new WilderStep(period, atrStepper);
    case "macd":
      return new MacdStep(parameters.short!, parameters.long!, parameters.signal!);
  }
}

const noBands: StepResult = [null, null, null];

/** Indicators that depend on the newest `period` values alone: those are their state. */
class RecentStep implements IndicatorStep {
  readonly #period: number;
  readonly #make: () => (value: number) => StepResult;
  #step: (value: number) => StepResult;
  #recent: number[] = [];

  constructor(period: number, make: () => (value: number) => StepResult) {
    this.#period = period;
    this.#make = make;
    this.#step = make();
  }
  next([value]: readonly number[]): StepResult {
    this.#recent.push(value!);
    if (this.#recent.length > this.#period) this.#recent.shift();
    return this.#step(value!);
  }
  capture(): unknown {
    return [...this.#recent];
  }
  restore(captured: unknown): void {
    this.#step = this.#make();
    this.#recent = [...(captured as readonly number[])];
    for (const value of this.#recent) this.#step(value);
  }
}

/** An EMA that can be put to any state: what it has averaged, and whether it has seen enough to show it. */
class RestorableEma extends EMA {
  seen = 0;

  override update(value: number, replace: boolean): number {
    this.seen = Math.min(this.seen + 1, this.interval);
    return super.update(value, replace);
  }
  capture(): readonly [number, number | undefined] {
    return [this.seen, this.result];
  }
  static restored(interval: number, captured: unknown): RestorableEma {
    const [seen, result] = captured as [number, number | undefined];
    const ema = new RestorableEma(interval);
    for (let count = 0; count < seen; count++) ema.update(0, false);
    if (result !== undefined) ema.result = result;
    return ema;
  }
}

class EmaStep implements IndicatorStep {
  #ema: RestorableEma;

  constructor(period: number) {
    this.#ema = new RestorableEma(period);
  }
  next([value]: readonly number[]): StepResult {
    const result = this.#ema.update(value!, false);
    return [this.#ema.isStable ? result : null];
  }
  capture(): unknown {
    return this.#ema.capture();
  }
  restore(captured: unknown): void {
    this.#ema = RestorableEma.restored(this.#ema.interval, captured);
  }
}

class MacdStep implements IndicatorStep {
  #averages: readonly [RestorableEma, RestorableEma, RestorableEma];
  #macd: MACD;

  constructor(short: number, long: number, signal: number) {
    this.#averages = [new RestorableEma(short), new RestorableEma(long), new RestorableEma(signal)];
    this.#macd = new MACD(...this.#averages);
  }
  next([value]: readonly number[]): StepResult {
    const result = this.#macd.add(value!);
    return result === null ? noBands : [result.macd, result.signal, result.histogram];
  }
  capture(): unknown {
    return { averages: this.#averages.map((average) => average.capture()), prices: this.#macd.prices.length };
  }
  restore(captured: unknown): void {
    const { averages, prices } = captured as { averages: readonly unknown[]; prices: number };
    const [short, long, signal] = this.#averages.map((average, index) =>
      RestorableEma.restored(average.interval, averages[index]),
    );
    this.#averages = [short!, long!, signal!];
    this.#macd = new MACD(short!, long!, signal!);
    // Of the values it keeps only their number matters: it says whether the long average has seen enough.
    for (let count = 0; count < prices; count++) this.#macd.prices.push(0);
  }
}

/** Wilder's smoothing: the values themselves until there are enough, then only the average counts. */
class RestorableWilder extends WSMA {
  early: number[] = [];

  override update(value: number, replace: boolean): number | null {
    if (this.result === undefined) this.early.push(value);
    return super.update(value, replace);
  }
  capture(): unknown {
    return this.result === undefined ? { early: [...this.early] } : { average: this.result };
  }
  /** On an average that has seen nothing but at most one stray value, which the first real one replaces. */
  restore(captured: unknown): void {
    const { early, average } = captured as { early?: readonly number[]; average?: number };
    const strayed = this.early.length > 0;
    this.early = [];
    if (average !== undefined) this.result = average;
    else for (const [place, value] of early!.entries()) this.update(value, strayed && place === 0);
  }
}

interface WilderStepper {
  next(inputs: readonly number[]): number | null;
  /** The averages it made, in the order it made them. */
  readonly averages: readonly RestorableWilder[];
}

/** The library makes the averages itself from a class: this one also hands them to us. */
function catchAverages<Made>(make: (average: typeof WSMA) => Made): readonly [Made, readonly RestorableWilder[]] {
  const averages: RestorableWilder[] = [];
  class Caught extends RestorableWilder {
    constructor(interval: number) {
      super(interval);
      averages.push(this);
    }
  }
  return [make(Caught), averages];
}

function rsiStepper(period: number): WilderStepper {
  const [rsi, averages] = catchAverages((average) => new RSI(period, average));
  return { averages, next: ([value]) => rsi.add(value!) };
}
function atrStepper(period: number): WilderStepper {
  const [atr, averages] = catchAverages((average) => new ATR(period, average));
  return { averages, next: ([high, low, close]) => atr.add({ high: high!, low: low!, close: close! }) };
}

/** Indicators of the row before and of Wilder's averages. */
class WilderStep implements IndicatorStep {
  readonly #period: number;
  readonly #make: (period: number) => WilderStepper;
  #stepper: WilderStepper;
  #last: readonly number[] | null = null;

  constructor(period: number, make: (period: number) => WilderStepper) {
    this.#period = period;
    this.#make = make;
    this.#stepper = make(period);
  }
  next(inputs: readonly number[]): StepResult {
    this.#last = inputs;
    return [this.#stepper.next(inputs)];
  }
  capture(): unknown {
    return { last: this.#last, averages: this.#stepper.averages.map((average) => average.capture()) };
  }
  restore(captured: unknown): void {
    const { last, averages } = captured as { last: readonly number[] | null; averages: readonly unknown[] };
    this.#last = last;
    this.#stepper = this.#make(this.#period);
    if (last === null) return;
    // The row before is handed in as a first row; what that does to the averages is undone by setting them.
    this.#stepper.next(last);
    this.#stepper.averages.forEach((average, index) => {
      average.restore(averages[index]);
    });
  }
}
