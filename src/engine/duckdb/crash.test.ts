import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { scanned, tradeCells, tradeContract } from "../../../testing/view-conformance.ts";
import { silentLogger } from "../../base/index.ts";
import { batchOfCells, rowsOf } from "../../batch/index.ts";
import { openDuckdbSeries } from "./index.ts";

const writer = fileURLToPath(new URL("./crash-writer.test-helper.ts", import.meta.url));
const KILLS = Number(process.env.MILLPOND_KILLS ?? 4);

/** Lets a writer go on until it has reported so many durable commits more, then kills it. Gives what it reported last. */
async function killAfter(file: string, more: number): Promise<number> {
  const child = spawn(process.execPath, [writer, file], { stdio: ["ignore", "pipe", "inherit"] });
  let first: number | undefined;
  let reported = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.split("\n")) reported = Math.max(reported, Number(line));
    first ??= reported;
    if (reported - first >= more) child.kill("SIGKILL");
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  assert.deepEqual([code, signal], [null, "SIGKILL"]);
  return reported;
}

it("holds every commit once up to its position, however often the process is killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "millpond-crash-"));
  const file = join(folder, "series.duckdb");
  try {
    let durable = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const reported = await killAfter(file, 3 + kill * 7);
      assert.ok(reported >= durable, "what was durable is not lost");
      durable = reported;
    }
    const series = await openDuckdbSeries({ file, environment: { logger: silentLogger }, threads: 1 });
    try {
      assert.ok(series.durablePosition >= durable && durable > 0);
      const positions = Array.from({ length: series.durablePosition }, (_, index) => index + 1);
      const cells = positions.flatMap((position) => tradeCells(200, position));
      const { layout } = tradeContract;
      assert.deepEqual(await scanned(series, "trades", layout), rowsOf(layout, batchOfCells(layout, cells)));
    } finally {
      await series.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
