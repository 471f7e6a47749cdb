/**
 * Tests that run under the fault shim (see disk.test.ts, which starts this program): each sets a fault at some sync or
 * write of some file, and holds what the log says against what a restart finds.
 */
import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, it } from "node:test";
import { createEnvironment, MillpondError, systemTimers } from "../../src/base/index.ts";
import { openSqliteLog } from "../../src/engine/sqlite/index.ts";
import { createLog, type Log } from "../../src/log/index.ts";
import { errnoInputOutput, FaultControl, faultFile } from "../../testing/faults/shim.ts";
import { sampleDraft } from "../../testing/log-samples.ts";

const root = process.env.MILLPOND_FAULT_ROOT ?? "";
const control = new FaultControl(process.env.MILLPOND_FAULT_CONTROL ?? "");
const environment = createEnvironment();

const newFolder = () => mkdtemp(join(root, "log-"));
const open = async (folder: string): Promise<Log> =>
  createLog(await openSqliteLog({ folder, environment }), environment);
const codeOf = (error: unknown): string => (error instanceof MillpondError ? error.code : String(error));

/** Appends one by one; the code of each failure, or the position. */
async function appendEach(log: Log, count: number, rows = 1): Promise<(number | string)[]> {
  const results: (number | string)[] = [];
  for (let index = 0; index < count; index++) {
    results.push(await log.append(sampleDraft("ticks", rows, index)).then(({ position }) => position, codeOf));
  }
  return results;
}
const acknowledgedIn = (results: readonly (number | string)[]) =>
  results.filter((result) => typeof result === "number");

/** Everything acknowledged is there after a restart on a healthy disk, in order and whole. */
async function assertKept(folder: string, acknowledged: readonly number[], atMost = Number.POSITIVE_INFINITY) {
  control.clear();
  const log = await open(folder);
  const last = Math.max(0, ...acknowledged);
  assert.ok(log.head.position >= last, `the log ends at ${log.head.position}, acknowledged was ${last}`);
  assert.ok(log.head.position <= atMost, `${log.head.position} commits, though only ${atMost} may be there`);
  const report = await log.verify();
  assert.equal(report.fault, undefined);
  assert.equal(report.commits, log.head.position);
  await log.close();
}

beforeEach(() => control.clear());

describe("a failing sync", () => {
  it("of the write-ahead log: no acknowledgement, read only until restart, at each index", async () => {
    let index = 0;
    let met = true;
    while (met) {
      index += 1;
      const folder = await newFolder();
      control.clear();
      control.set({ syncMask: faultFile.wal, syncAt: index });
      const opened = await open(folder).catch((error: unknown) => codeOf(error));
      if (typeof opened === "string") {
        await assertKept(folder, []);
        continue;
      }
      const log = opened;
      const results = await appendEach(log, 8);
      met = control.get("syncSeen") >= index;
      const failed = results.findIndex((result) => typeof result === "string");
      if (failed >= 0) {
        assert.deepEqual(new Set(results.slice(failed)), new Set(["log_read_only"]), "nothing succeeds afterwards");
        assert.match(log.figures().store.lastError ?? "", /read|sync|write/i);
        assert.equal(log.head.position, failed);
      }
      assert.equal((await log.read(0)).length, acknowledgedIn(results).length, "reads go on");
      await log.close();
      await assertKept(folder, acknowledgedIn(results));
    }
    assert.ok(index > 8, `only ${index} syncs were met`);
  });

  it("of the database during a checkpoint: nothing acknowledged is lost, and it shows", async () => {
    let checkpoints = 0;
    for (let index = 1; index <= 5; index++) {
      for (const syncForever of [0, 1]) {
        const folder = await newFolder();
        control.clear();
        control.set({ syncMask: faultFile.database, syncAt: index, syncForever });
        const log = await open(folder).catch(codeOf);
        if (typeof log === "string") {
          assert.equal(log, "log_open_failed");
          await assertKept(folder, []);
          continue;
        }
        const results = await appendEach(log, 60, 6000);
        const met = control.get("syncSeen") >= index;
        if (met) {
          assert.match(log.figures().store.lastError ?? "", /checkpoint/);
          assert.equal(await log.append(sampleDraft()).catch(codeOf), "log_read_only");
        }
        checkpoints += met ? 1 : 0;
        assert.equal((await log.read(0, { commits: 100 })).length, acknowledgedIn(results).length);
        await log.close();
        await assertKept(folder, acknowledgedIn(results));
      }
    }
    assert.ok(checkpoints >= 4, `only ${checkpoints} checkpoints failed`);
  });

  it("of the mark at open is no reason to go on", async () => {
    const folder = await newFolder();
    control.set({ syncMask: faultFile.mark, syncAt: 1 });
    assert.equal(await open(folder).catch(codeOf), "log_open_failed");
    await assertKept(folder, []);
  });

  it("of the mark in the background shows as unhealthy", async () => {
    const folder = await newFolder();
    const log = await open(folder);
    control.set({ syncMask: faultFile.mark, syncAt: 1 });
    const results = await appendEach(log, 3);
    for (let turn = 0; turn < 100 && log.figures().store.lastError === undefined; turn++) await systemTimers.delay(20);
    assert.match(log.figures().store.lastError ?? "", /high-water mark/);
    await log.close();
    await assertKept(folder, acknowledgedIn(results), 3);
  });
});

describe("a full disk", () => {
  it("refuses writes, goes on reading, and recovers without a restart, at each write", async () => {
    const folder = await newFolder();
    const log = await open(folder);
    const failures: string[] = [];
    log.onFailure(({ code }) => failures.push(code));
    let acknowledged = (await appendEach(log, 3, 300)).length;
    for (let index = 1; index <= 8; index++) {
      control.clear();
      control.set({ writeMask: faultFile.wal, writeAt: index });
      const pending = await Promise.allSettled(
        Array.from({ length: 5 }, (_, seed) => log.append(sampleDraft("ticks", 300, seed))),
      );
      const codes = pending.map((result) => (result.status === "rejected" ? codeOf(result.reason) : "stored"));
      assert.deepEqual(new Set(codes), new Set(["log_storage_full"]), `write ${index}`);
      assert.equal((await log.read(0)).length, acknowledged, "reads go on, and see nothing of what was refused");
      assert.match(log.figures().store.lastError ?? "", /full/);
      control.clear();
      acknowledged += acknowledgedIn(await appendEach(log, 2)).length;
      assert.equal(log.head.position, acknowledged, "positions stay dense");
      assert.equal(log.figures().store.lastError, undefined);
    }
    assert.equal(failures.length, 8);
    await log.close();
    await assertKept(folder, [acknowledged], acknowledged);
  });

  it("during a checkpoint is told, loses nothing, and heals", async () => {
    const folder = await newFolder();
    const log = await open(folder);
    control.set({ writeMask: faultFile.database, writeAt: 1 });
    const results = await appendEach(log, 60, 6000);
    assert.equal(acknowledgedIn(results).length, 60, "the write-ahead log still takes commits");
    assert.match(log.figures().store.lastError ?? "", /checkpoint/);
    control.clear();
    results.push(...(await appendEach(log, 60, 6000)));
    for (let turn = 0; turn < 100 && log.figures().store.lastError !== undefined; turn++) await systemTimers.delay(20);
    assert.equal(log.figures().store.lastError, undefined);
    await log.close();
    await assertKept(folder, acknowledgedIn(results), 120);
  });

  it("for the mark stops writes: without it a lost tail would be silent", async () => {
    const folder = await newFolder();
    const log = await open(folder);
    control.set({ writeMask: faultFile.mark, writeAt: 3 });
    const results = await appendEach(log, 5);
    assert.deepEqual(results, [1, 2, "log_read_only", "log_read_only", "log_read_only"]);
    await log.close();
    await assertKept(folder, [1, 2]);
  });

  it("that answers with an input/output error stops writes until restart", async () => {
    const folder = await newFolder();
    const log = await open(folder);
    control.set({ writeMask: faultFile.wal, writeAt: 2, writeErrno: errnoInputOutput });
    const results = await appendEach(log, 4);
    control.clear();
    results.push(...(await appendEach(log, 2)));
    assert.deepEqual(new Set(results.filter((result) => typeof result === "string")), new Set(["log_read_only"]));
    assert.ok(results.length - acknowledgedIn(results).length >= 2);
    await log.close();
    await assertKept(folder, acknowledgedIn(results));
  });
});
