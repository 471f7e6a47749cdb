import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { rejectsWith } from "../../../testing/log-conformance.ts";
import { ReaderClient } from "./reader.ts";
import { createSchema, openForWriting } from "./schema.ts";

it("reads again after its thread could not be started", async (test) => {
  const folder = mkdtempSync(join(tmpdir(), "millpond-reader-"));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "log.db");
  const reader = new ReaderClient(path);
  await assert.rejects(reader.read(0, {}), rejectsWith("internal"));
  const database = openForWriting(path, "normal");
  createSchema(database);
  assert.deepEqual(await reader.read(0, {}), []);
  await reader.close();
  await assert.rejects(reader.read(0, {}), rejectsWith("log_closed"));
  database.close();
});
