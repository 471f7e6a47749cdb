/**
 * Killing a writer at random, many times on the same folder: every acknowledged commit is there with its hash, and the
 * chain is whole. MILLPOND_KILLS sets how often.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createEnvironment, systemRandom, systemTimers, toHex } from "../../src/base/index.ts";
import { openSqliteLog } from "../../src/engine/sqlite/index.ts";
import { WriterProcess } from "../../testing/faults/writer-process.ts";

const kills = Number(process.env.MILLPOND_KILLS ?? 100);
const lanes = 4;

describe(`${kills} kills at random`, { concurrency: lanes }, () => {
  for (let lane = 0; lane < lanes; lane++) {
    it(`loses nothing that was acknowledged (lane ${lane})`, async () => {
      const folder = await mkdtemp(join(tmpdir(), "millpond-kill-"));
      const acknowledged = new Map<number, string>();
      for (let kill = 0; kill < kills / lanes; kill++) {
        const writer = new WriterProcess(folder);
        // One in ten is killed while it still opens, the rest under load.
        if (systemRandom.next() < 0.1) await systemTimers.delay(systemRandom.next() * 200);
        else {
          await writer.until(() => writer.acknowledged.size > 0);
          await systemTimers.delay(systemRandom.next() * 60);
        }
        await writer.kill();
        const last = Math.max(0, ...acknowledged.keys());
        if (writer.headAtStart !== undefined) {
          assert.ok(writer.headAtStart >= last, `opened at ${writer.headAtStart}, acknowledged was ${last}`);
        }
        for (const [position, hash] of writer.acknowledged) {
          assert.ok(!acknowledged.has(position), `position ${position} was acknowledged twice`);
          acknowledged.set(position, hash);
        }
      }
      await holdsAll(folder, acknowledged);
      await rm(folder, { recursive: true });
    });
  }
});

async function holdsAll(folder: string, acknowledged: ReadonlyMap<number, string>): Promise<void> {
  const store = await openSqliteLog({ folder, environment: createEnvironment() });
  assert.ok(acknowledged.size > 0);
  const found = new Map<number, string>();
  for (let position = 0; position < store.head.position; ) {
    const run = await store.read(position);
    for (const commit of run) found.set(commit.position, toHex(commit.hash));
    position = run.at(-1)!.position;
  }
  for (const [position, hash] of acknowledged) assert.equal(found.get(position), hash, `commit ${position}`);
  const report = await store.verify();
  assert.equal(report.fault, undefined);
  assert.equal(report.commits, store.head.position);
  await store.close();
}
