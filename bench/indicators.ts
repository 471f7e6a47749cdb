/** Five indicators (and a sixth) over 10,000 bars of one symbol, as the flow computes them live; median of seven runs. */

import { candleIndicators, candles } from "../pools/market/index.ts";
import { batchOfRows, encodeBatch } from "../src/batch/index.ts";
import { createFlow } from "../src/flow/index.ts";
import type { Commit } from "../src/log/index.ts";

const BARS = 10_000;
const contract = candles.into;
const start = 1_760_000_040_000_000;
const hash = new Uint8Array(32);

const commits = Array.from({ length: BARS / 50 }, (_, group): Commit => {
  const rows = Array.from({ length: 50 }, (_, offset) => {
    const bar = group * 50 + offset;
    const mid = 1.1 + Math.sin(bar / 40) / 100 + ((bar * 7919) % 13) / 1e4;
    const range = 0.0004 + ((bar * 31) % 7) / 1e4;
    return {
      ...{ symbol: "EURUSD", time: start + bar * 60_000_000, open: mid, close: mid + range / 3 },
      ...{ high: mid + range, low: mid - range, volume: bar % 100, spread: 0.0001, ticks: 20, revision: 0 },
    };
  });
  const batch = batchOfRows(contract.layout, rows);
  const change = {
    dataset: contract.name,
    contract: 1,
    operation: "append",
    batch,
    bytes: encodeBatch(batch),
  } as const;
  const cause = { kind: "flow", flow: candles.name, after: group, through: group + 1 } as const;
  return { position: group + 1, at: start, actor: "flow", cause, changes: [change], previous: hash, hash };
});

const timesMs = Array.from({ length: 7 }, () => {
  const flow = createFlow(candleIndicators, { contract });
  const startMs = performance.now();
  flow.apply(commits);
  return performance.now() - startMs;
}).sort((one, two) => one - two);
const names = candleIndicators.indicators.map(({ as }) => as).join(", ");
console.log(
  `${names} over ${BARS.toLocaleString("en")} bars: median ${timesMs[3]!.toFixed(1)} ms, best ${timesMs[0]!.toFixed(1)}, worst ${timesMs[6]!.toFixed(1)}`,
);
