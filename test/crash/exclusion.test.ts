/** One instance per data folder, also while the one that has it is paused. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createEnvironment, MillpondError } from "../../src/base/index.ts";
import { openSqliteLog } from "../../src/engine/sqlite/index.ts";
import { WriterProcess } from "../../testing/faults/writer-process.ts";

const environment = createEnvironment();

const lockedBy = (holder: number) => (error: unknown) => {
  assert.ok(error instanceof MillpondError, String(error));
  assert.equal(error.code, "log_locked");
  assert.match(error.message, new RegExp(`\\b${holder}\\b`));
  return true;
};

describe("instance exclusion", () => {
  it("refuses a second process, also while the first is paused, and lets the first go on", {
    skip: process.platform === "win32" ? "Windows has no SIGSTOP" : false,
  }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "millpond-lock-"));
    const writer = new WriterProcess(folder);
    await writer.until(() => writer.acknowledged.size > 0);
    await assert.rejects(openSqliteLog({ folder, environment }), lockedBy(writer.process.pid!));
    writer.process.kill("SIGSTOP");
    await assert.rejects(openSqliteLog({ folder, environment }), lockedBy(writer.process.pid!));
    const before = writer.acknowledged.size;
    writer.process.kill("SIGCONT");
    await writer.until(() => writer.acknowledged.size > before + 100);
    await writer.kill();
    const store = await openSqliteLog({ folder, environment });
    assert.ok(store.head.position >= writer.lastAcknowledged);
    await store.close();
    await rm(folder, { recursive: true });
  });

  it("refuses a second opening in the same process, and allows it after the first closed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "millpond-lock-"));
    const store = await openSqliteLog({ folder, environment });
    await assert.rejects(openSqliteLog({ folder, environment }), lockedBy(process.pid));
    await store.close();
    await (await openSqliteLog({ folder, environment })).close();
    await rm(folder, { recursive: true });
  });
});
