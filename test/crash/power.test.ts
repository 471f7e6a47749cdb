/** Power cuts: files go back to what was synced. The same harness must lose commits where the log does not sync. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { createEnvironment, MillpondError, systemRandom, systemTimers, toHex } from "../../src/base/index.ts";
import { openSqliteLog } from "../../src/engine/sqlite/index.ts";
import { buildFaultShim, faultEnvironment, restorePowerCut } from "../../testing/faults/shim.ts";
import { WriterProcess } from "../../testing/faults/writer-process.ts";

const environment = createEnvironment();
const cuts = Number(process.env.MILLPOND_POWER_CUTS ?? 4);

describe("power cut", () => {
  let folder: string;
  let shim: Awaited<ReturnType<typeof buildFaultShim>>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "millpond-power-"));
    shim = await buildFaultShim(folder);
  });
  after(() => rm(folder, { recursive: true }));

  /** Writes for a while, cuts the power, and gives what was acknowledged and what the disk holds. */
  async function cutPower(test: TestContext, mode: string): Promise<{ acked: Map<number, string>; disk: string }> {
    const run = await mkdtemp(join(folder, "run-"));
    const root = join(run, "live");
    const image = join(run, "image");
    if ("reason" in shim) throw new Error("unreachable: the test was skipped");
    const env = await faultEnvironment({ library: shim.library, root, control: join(run, "control"), image });
    const writer = new WriterProcess(root, { mode, env });
    await writer.until(() => writer.acknowledged.size > 20);
    await systemTimers.delay(120 + systemRandom.next() * 250);
    await writer.kill();
    const disk = join(run, "disk");
    await restorePowerCut(image, disk);
    test.diagnostic(`${mode}: ${writer.acknowledged.size} acknowledged before the cut`);
    return { acked: writer.acknowledged, disk };
  }

  it("loses nothing that was acknowledged", async (test) => {
    if ("reason" in shim) return test.skip(shim.reason);
    for (let cut = 0; cut < cuts; cut++) {
      const { acked, disk } = await cutPower(test, "full");
      const store = await openSqliteLog({ folder: disk, environment });
      const commits = await store.read(0, { commits: 1_000_000, bytes: 1e9 });
      for (const [position, hash] of acked) assert.equal(toHex(commits[position - 1]!.hash), hash);
      assert.equal((await store.verify()).fault, undefined);
      await store.close();
    }
  });

  it("would lose them, and would notice, if commits were not synced", async (test) => {
    if ("reason" in shim) return test.skip(shim.reason);
    const { acked, disk } = await cutPower(test, "normal");
    await assert.rejects(openSqliteLog({ folder: disk, environment }), (error) => {
      assert.ok(error instanceof MillpondError);
      assert.equal(error.code, "log_tail_lost");
      return true;
    });
    const store = await openSqliteLog({ folder: disk, environment, acceptLoss: true });
    const [loss] = await store.read(store.head.position - 1);
    assert.equal(loss!.cause.kind, "loss");
    const kept = (await store.read(0, { commits: 1_000_000, bytes: 1e9 })).map(({ hash }) => toHex(hash));
    const lost = [...acked].filter(([position, hash]) => kept[position - 1] !== hash);
    assert.ok(lost.length > 0, "this harness cannot tell synced from unsynced");
    await store.close();
    await (await openSqliteLog({ folder: disk, environment })).close();
  });
});
