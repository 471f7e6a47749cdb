/**
 * What the market pool holds: ticks as they come, and bars as terminals export them.
 *
 * The rules judge what no genuine quote does on any feed; what only some feeds do (crossed quotes on a retail feed, say)
 * is a matter of that feed's policy, because a flat rule would throw away a quarter of a genuine trading day.
 */
import { enumeration, float, instant, integer, optional, rule, series, text } from "../../src/contract/index.ts";

export const ticks = series("ticks", {
  description: "Best bid and ask of a symbol, one row per change",
  fields: {
    symbol: text({ max: 32, description: "Instrument, upper case, without a broker's suffix" }),
    time: instant({ description: "When the quote was made, UTC" }),
    bid: float({ unit: "price" }),
    ask: float({ unit: "price" }),
    volume: optional(float({ min: 0, description: "As the source counts it; absent where it does not" })),
  },
  key: ["symbol"],
  time: "time",
  lateness: "60s",
  retention: null,
  rules: (t) => [
    rule("price_positive", t.bid.gt(0).and(t.ask.gt(0)), { otherwise: "quarantine" }),
    rule("crossed", t.ask.gte(t.bid), { otherwise: "quarantine" }),
    rule("jump", t.bid.change().abs().lte(t.bid.times(0.05)).or(t.time.elapsed().gt("1h")), {
      otherwise: "quarantine",
      description: "the bid moved by more than 5 % within an hour",
    }),
  ],
});

export const bars = series("bars", {
  description: "Price bars as a terminal or vendor publishes them",
  fields: {
    symbol: text({ max: 32 }),
    timeframe: enumeration(["M1", "M5", "M15", "M30", "H1", "H4", "D1", "W1", "MN1"]),
    time: instant({ description: "Start of the bar, UTC" }),
    open: float({ unit: "price" }),
    high: float({ unit: "price" }),
    low: float({ unit: "price" }),
    close: float({ unit: "price" }),
    tick_volume: optional(integer({ min: 0 })),
    volume: optional(float({ min: 0 })),
    spread: optional(float({ min: 0, unit: "points" })),
  },
  key: ["symbol", "timeframe"],
  time: "time",
  identity: "keyTime",
  lateness: null,
  retention: null,
  rules: (t) => [
    rule("high_is_highest", t.high.gte(t.open).and(t.high.gte(t.close)).and(t.high.gte(t.low))),
    rule("low_is_lowest", t.low.lte(t.open).and(t.low.lte(t.close))),
  ],
});
