import assert from "node:assert/strict";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { createEnvironment } from "../../base/index.ts";
import { openSqliteLog } from "./index.ts";

const onWindows = process.platform === "win32" && "file modes are not kept here";

test("the folder of a new log is its owner's alone", { skip: onWindows }, async () => {
  const parent = await mkdtemp(path.join(tmpdir(), "millpond-folder-"));
  const folder = path.join(parent, "data");
  const store = await openSqliteLog({ folder, environment: createEnvironment() });
  try {
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
  } finally {
    await store.close();
    await rm(parent, { recursive: true });
  }
});
