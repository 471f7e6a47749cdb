/** One-minute candles of ticks computed as plainly as can be, to hold the market pool's flow against. */

export interface StoredTick {
  readonly symbol: string;
  readonly time: number;
  readonly bid: number;
  readonly ask: number;
  readonly volume: number | null;
  readonly _position: number;
  readonly _place: number;
}

export interface Candle {
  readonly symbol: string;
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number | null;
  readonly ticks: number;
}

export const MINUTE = 60_000_000;

/** What two candles are compared by: no revision, and no mean, whose last digit depends on the order of additions. */
export const candleOf = ({ symbol, time, open, high, low, close, volume, ticks }: Candle): Candle => ({
  ...{ symbol, time, open, high, low, close, volume, ticks },
});

/** In the order of symbol and time. */
export function candlesOf(ticks: readonly StoredTick[]): Candle[] {
  const windows = new Map<string, StoredTick[]>();
  const inOrder = [...ticks].sort(
    (one, two) => one.time - two.time || one._position - two._position || one._place - two._place,
  );
  for (const tick of inOrder) {
    const key = `${tick.symbol} ${Math.floor(tick.time / MINUTE)}`;
    const window = windows.get(key) ?? [];
    window.push(tick);
    windows.set(key, window);
  }
  const candles = [...windows.values()].map((window): Candle => {
    const mids = window.map(({ bid, ask }) => (bid + ask) / 2);
    const volumes = window.map(({ volume }) => volume).filter((volume) => volume !== null);
    return {
      symbol: window[0]!.symbol,
      time: Math.floor(window[0]!.time / MINUTE) * MINUTE,
      open: mids[0]!,
      high: Math.max(...mids),
      low: Math.min(...mids),
      close: mids.at(-1)!,
      // Whole numbers: their sum is exact in any order.
      volume: volumes.length === 0 ? null : volumes.reduce((sum, volume) => sum + volume, 0),
      ticks: window.length,
    };
  });
  return inOrderOfKey(candles);
}

export function inOrderOfKey<Row extends { readonly symbol: string; readonly time: number }>(
  rows: readonly Row[],
): Row[] {
  return [...rows].sort((one, two) =>
    one.symbol < two.symbol ? -1 : one.symbol > two.symbol ? 1 : one.time - two.time,
  );
}
