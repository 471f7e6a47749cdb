/** What the market pool derives: one-minute candles from ticks, and technical indicators from candles. */
import { count, first, last, max, mean, min, sum } from "../../src/expression/index.ts";
import { atr, bollinger, ema, flow, indicators, macd, rsi, sma } from "../../src/flow/index.ts";
import { ticks } from "./datasets.ts";

export const candles = flow(ticks)
  .derive((t) => ({ mid: t.bid.plus(t.ask).dividedBy(2), spread: t.ask.minus(t.bid) }))
  .window({ every: "1m", by: "symbol", lateness: "5s" })
  .aggregate((t) => ({
    open: first(t.mid),
    high: max(t.mid),
    low: min(t.mid),
    close: last(t.mid),
    volume: sum(t.volume),
    spread: mean(t.spread),
    ticks: count(),
  }))
  .into("candles_1m", { description: "One-minute candles of the mid price" });

export const candleIndicators = indicators(candles, {
  sma_20: sma({ period: 20 }),
  ema_20: ema({ period: 20 }),
  rsi_14: rsi({ period: 14 }),
  macd: macd({ short: 12, long: 26, signal: 9 }),
  bollinger: bollinger({ period: 20, deviations: 2 }),
  atr_14: atr({ period: 14 }),
}).into("indicators_1m", { description: "Technical indicators over the one-minute candles" });
