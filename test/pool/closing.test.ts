/** What must hold at the edges of a pool's life: closing ends although producers go on, and a decision is made once. */
import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { float, instant, rule, series, text } from "../../src/contract/index.ts";
import { flow } from "../../src/flow/index.ts";
import type { Submission } from "../../src/gate/index.ts";
import { definePool, openPool, type Pool } from "../../src/pool/index.ts";
import { temporaryFolder } from "../support/folder.ts";

const readings = series("readings", {
  fields: { sensor: text({ max: 32 }), time: instant(), value: float() },
  key: ["sensor"],
  time: "time",
  rules: (row) => [rule("positive", row.value.gt(0))],
});
const doubled = flow(readings)
  .derive((row) => ({ twice: row.value.times(2) }))
  .into("doubled");
const definition = definePool({
  ...{ name: "edges", description: "For tests", datasets: [readings], flows: [doubled] },
  feeds: [{ name: "api", kind: "api", dataset: "readings", description: "Rows over the API" }],
});

async function opened(test: TestContext): Promise<Pool> {
  const pool = await openPool(definition, { folder: await temporaryFolder(test, "closing") });
  test.after(() => pool.close());
  return pool;
}
const batch = (number: number, value = 1): Submission => ({
  ...{ dataset: "readings", feed: "api", session: "session", batch: number, actor: "user:ann" },
  incoming: {
    kind: "rows",
    rows: [{ sensor: "a", time: `2026-01-05T10:00:00.${String(number).padStart(6, "0")}Z`, value }],
  },
});
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

it("closes although a producer in this process goes on, and what it acknowledged is there", async (test) => {
  const folder = await temporaryFolder(test, "closing");
  const pool = await openPool(definition, { folder });
  let acknowledged = 0;
  const producing = (async () => {
    for (let number = 1; ; number++) {
      await pool.submit(batch(number));
      acknowledged = number;
    }
  })();
  const refused = assert.rejects(producing, (error) => codeOf(error) === "log_closed");
  while (acknowledged < 20) await new Promise((resolve) => setImmediate(resolve));
  await pool.close();
  await refused;
  const again = await openPool(definition, { folder });
  test.after(() => again.close());
  assert.ok(again.gate.lastBatch("api", "session") >= acknowledged);
  assert.ok((await again.verify()).ok);
  for (const dataset of ["readings", "doubled"]) {
    const { batch: rows } = await again.query({ dataset, limit: 100_000 });
    assert.equal(rows.count, again.gate.lastBatch("api", "session"), dataset);
  }
});

it("lets nobody wait for an answer from a pool that was closed", async (test) => {
  const pool = await opened(test);
  await pool.submit(batch(1));
  const waiting = pool.query({ dataset: "readings", atLeast: 1_000 });
  const ended = assert.rejects(waiting, (error) => codeOf(error) === "view_closed");
  await pool.close();
  await ended;
});

it("resolves a kept row once, whoever decides at the same time", async (test) => {
  const pool = await opened(test);
  const { rejections } = await pool.submit(batch(1, -1));
  const ids = rejections.map(({ quarantineId }) => quarantineId!);
  const decisions = await Promise.allSettled([
    pool.door.discard(ids, "user:ann"),
    pool.door.discard(ids, "user:bob"),
    pool.door.retry(ids, "user:eve"),
  ]);
  assert.deepEqual(
    decisions.map((decision) => (decision.status === "fulfilled" ? "done" : codeOf(decision.reason))),
    ["done", "quarantine_unknown", "quarantine_unknown"],
  );
  assert.equal((await pool.query({ dataset: "_resolutions" })).batch.count, 1);
});
