import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { rejectsWith } from "../../../testing/log-conformance.ts";
import { createFileSnapshots } from "./index.ts";

describe("snapshots in files", () => {
  let folder: string;
  const snapshot = {
    fold: "latest",
    version: 1,
    position: 7,
    hash: "ab",
    saved: { rows: new Float64Array([1, 2]), map: new Map([["a", [null, true, "ä"]]]) },
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "millpond-snapshots-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("gives back what was written last, and nothing where nothing was", async () => {
    const store = createFileSnapshots(join(folder, "deeper"));
    assert.equal(await store.read("latest"), undefined);
    await store.write("latest", { ...snapshot, position: 6 });
    await store.write("latest", snapshot);
    assert.deepEqual(await store.read("latest"), snapshot);
    assert.deepEqual(readdirSync(join(folder, "deeper")), ["latest.snapshot"]);
  });

  it("notices any changed or missing byte", async () => {
    const store = createFileSnapshots(folder);
    await store.write("latest", snapshot);
    const file = join(folder, "latest.snapshot");
    const whole = readFileSync(file);
    for (let at = 0; at < whole.length; at += 7) {
      const changed = Buffer.from(whole);
      changed[at]! ^= 1;
      writeFileSync(file, changed);
      await assert.rejects(store.read("latest"), rejectsWith("snapshot_damaged"));
    }
    for (const length of [0, 7, 40, whole.length - 1]) {
      writeFileSync(file, whole.subarray(0, length));
      await assert.rejects(store.read("latest"), rejectsWith("snapshot_damaged"));
    }
  });

  it("keeps the old one when a write did not finish", async () => {
    const store = createFileSnapshots(folder);
    await store.write("latest", snapshot);
    writeFileSync(join(folder, "latest.snapshot.new"), "half");
    assert.deepEqual(await store.read("latest"), snapshot);
  });
});
