/** A process that applies sample commits as fast as it can, from wherever the view stands, until it is killed. */
import { changeOf, commitOf, tradeCells, tradeContract, versionOf } from "../../../testing/view-conformance.ts";
import { silentLogger } from "../../base/index.ts";
import { openDuckdbSeries } from "./index.ts";

const [file = ""] = process.argv.slice(2);
const series = await openDuckdbSeries({
  file,
  environment: { logger: silentLogger },
  threads: 1,
  commitRows: 700,
  waitingBytes: 100_000,
});
await series.declare(versionOf(tradeContract));
for (let position = series.position + 1; ; position++) {
  await series.apply([commitOf(position, [changeOf(tradeContract, tradeCells(200, position))])]);
  process.stdout.write(`${series.durablePosition}\n`);
}
