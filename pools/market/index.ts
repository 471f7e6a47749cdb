/** The market pool: quotes from terminals and files, judged, kept, derived and pushed. */
import { definePool } from "../../src/pool/index.ts";
import { bars, ticks } from "./datasets.ts";
import { feeds } from "./feeds.ts";
import { candleIndicators, candles } from "./flows.ts";

export { bars, ticks } from "./datasets.ts";
export { candleIndicators, candles } from "./flows.ts";

export const market = definePool({
  name: "market",
  description: "Quotes, candles and indicators",
  datasets: [ticks, bars],
  feeds,
  flows: [candles, candleIndicators],
});

export default market;
