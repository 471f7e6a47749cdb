/**
 * The tick that every peer gets: number `i` is a pure function of `i`, so that whoever receives ticks can tell loss,
 * repetition and disorder, and any aggregation can be checked. 50 symbols in turn, event times 60 ms apart from a full
 * minute, five decimals, a constant spread.
 */
export interface Tick {
  symbol: string;
  time_ms: number;
  bid: number;
  ask: number;
  /** 1 to 100; in the latency workloads the sender's clock instead, in microseconds after the run's epoch. */
  volume: number;
}

export const SYMBOL_COUNT = 50;
const START_MS = 1_760_000_040_000;
const STEP_MS = 60;
const SPREAD = 0.00012;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

export const SYMBOLS: readonly string[] = Array.from({ length: SYMBOL_COUNT }, (_, index) => {
  const currency = ["EUR", "GBP", "AUD", "NZD", "USD"][index % 5]!;
  return `${currency}X${LETTERS[Math.floor(index / 26)]}${LETTERS[index % 26]}`;
});

const fiveDecimals = (value: number): number => Math.round(value * 1e5) / 1e5;

/** Spreads neighbouring numbers over 32 bits. */
function scatter(index: number): number {
  let word = Math.imul(index ^ 0x5bd1e995, 0xcc9e2d51);
  word = Math.imul(word ^ (word >>> 15), 0x1b873593);
  return (word ^ (word >>> 13)) >>> 0;
}

export function tickAt(index: number, stamp?: number): Tick {
  const symbol = index % SYMBOL_COUNT;
  const word = scatter(index);
  const bid = fiveDecimals(1 + symbol / 10 + (word % 1_000) / 1e5);
  return {
    symbol: SYMBOLS[symbol]!,
    time_ms: START_MS + index * STEP_MS,
    bid,
    ask: fiveDecimals(bid + SPREAD),
    volume: stamp ?? 1 + ((word >>> 10) % 100),
  };
}

export const ticksFrom = (first: number, count: number): Tick[] =>
  Array.from({ length: count }, (_, offset) => tickAt(first + offset));

/** Which tick an event time belongs to. */
export const indexOfTime = (timeMs: number): number => (timeMs - START_MS) / STEP_MS;

export interface BarSums {
  bars: number;
  o: number;
  h: number;
  l: number;
  c: number;
  v: number;
}

export const emptySums = (): BarSums => ({ bars: 0, o: 0, h: 0, l: 0, c: 0, v: 0 });

/** The sums over all one-minute bars of the first `count` ticks: what a right aggregation must add up to. */
export function expectedSums(count: number): BarSums {
  const bars = new Map<string, { o: number; h: number; l: number; c: number; v: number }>();
  for (let index = 0; index < count; index++) {
    const { symbol, time_ms, bid, volume } = tickAt(index);
    const key = `${symbol} ${Math.floor(time_ms / 60_000)}`;
    const bar = bars.get(key);
    if (bar === undefined) bars.set(key, { o: bid, h: bid, l: bid, c: bid, v: volume });
    else {
      bar.h = Math.max(bar.h, bid);
      bar.l = Math.min(bar.l, bid);
      bar.c = bid;
      bar.v += volume;
    }
  }
  const sums = emptySums();
  for (const bar of bars.values()) addBar(sums, bar.o, bar.h, bar.l, bar.c, bar.v);
  return sums;
}

export function addBar(sums: BarSums, o: number, h: number, l: number, c: number, v: number): void {
  sums.bars += 1;
  sums.o += o;
  sums.h += h;
  sums.l += l;
  sums.c += c;
  sums.v += v;
}

export function sameSums(left: BarSums, right: BarSums): boolean {
  const near = (one: number, two: number): boolean => Math.abs(one - two) < 1e-3;
  return (
    left.bars === right.bars &&
    left.v === right.v &&
    (["o", "h", "l", "c"] as const).every((k) => near(left[k], right[k]))
  );
}
