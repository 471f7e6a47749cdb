/**
 * A pool on a disk that is full or fails: writes are refused and said to be, reads go on; a full disk heals by itself,
 * a failed sync needs a restart; and nothing that was refused is later told to be a duplicate.
 */
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { it, type TestContext } from "node:test";
import { type Client, connect } from "../../client/node.ts";
import { buildFaultShim, FaultControl, faultEnvironment, faultFile } from "../../testing/faults/shim.ts";
import { eventually, temporaryFolder } from "../support/folder.ts";
import { type PoolProcess, startPool } from "../support/pool-process.ts";

const start = Date.UTC(2026, 0, 5, 10) * 1000;
let made = 0;
/** Rows that were never sent before. */
const ticks = (count: number) =>
  Array.from({ length: count }, () => {
    made += 1;
    return { symbol: "EURUSD", time: start + made * 1000, bid: 1, ask: 1.0001, volume: made };
  });

interface Shimmed {
  readonly pool: PoolProcess;
  readonly folder: string;
  readonly control: FaultControl;
  readonly env: NodeJS.ProcessEnv;
}

/** A pool under the fault shim; undefined where that cannot be, and the test is skipped. */
async function underShim(test: TestContext): Promise<Shimmed | undefined> {
  const base = await temporaryFolder(test, "faults");
  const shim = await buildFaultShim(base);
  if ("reason" in shim) {
    test.skip(shim.reason);
    return undefined;
  }
  const root = path.join(base, "root");
  const folder = path.join(root, "pool");
  await mkdir(folder, { recursive: true });
  const file = path.join(base, "control");
  const env = await faultEnvironment({ library: shim.library, root, control: file });
  const control = new FaultControl(file);
  test.after(() => control.close());
  return { pool: await startPool(folder, { env }), folder, control, env };
}

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly accepted: number;
  readonly duplicate: number;
}

async function post(pool: PoolProcess, rows: readonly object[], batch?: number): Promise<Answer> {
  const numbered =
    batch === undefined ? {} : { "millpond-session": "disk-test-session", "millpond-batch": String(batch) };
  const { status, body } = await pool.http<{
    account?: { accepted: number; duplicate: number };
    error?: { code: string };
  }>("POST", "/v1/datasets/ticks/rows", rows, numbered);
  const { accepted = 0, duplicate = 0 } = body.account ?? {};
  return { status, code: body.error?.code, accepted, duplicate };
}
async function stored(pool: PoolProcess): Promise<number[]> {
  const { status, body } = await pool.http<{ rows: { volume: number }[] }>("POST", "/v1/datasets/ticks/query", {
    limit: 100_000,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body.rows.map(({ volume }) => volume);
}
const readiness = (pool: PoolProcess) => pool.http<{ ready: boolean; reasons: string[] }>("GET", "/health/ready");

/** Every way of reading gives what is durable. */
async function assertReads(pool: PoolProcess, client: Client, expected: readonly number[]): Promise<void> {
  assert.deepEqual(await stored(pool), expected, "queries go on");
  assert.equal((await client.dataset("ticks").latest("EURUSD"))?.row.volume, expected.at(-1), "so do latest reads");
  const told = await pool.http<{ position: number }>("GET", "/v1/datasets/ticks/explain/EURUSD");
  assert.equal(told.status, 200, "and explanations");
  const stream = client.dataset("ticks").subscribe({ from: "start" });
  const tail: unknown[] = [];
  for await (const event of stream) {
    if (event.kind === "rows") tail.push(...event.rows.map(({ volume }) => volume));
    if (tail.length >= expected.length) break;
  }
  assert.deepEqual(tail, expected, "and subscriptions");
}

for (const [name, mask] of [
  ["the log", faultFile.wal],
  ["everything", faultFile.wal | faultFile.database | faultFile.other],
] as const) {
  it(`refuses writes while the disk is full for ${name}, reads on, and heals by itself`, async (test) => {
    const shimmed = await underShim(test);
    if (shimmed === undefined) return;
    const { pool, control } = shimmed;
    const client = await connect({ url: pool.addresses.url, token: pool.token });
    test.after(() => client.close());
    const first = ticks(50);
    assert.equal((await post(pool, first, 1)).accepted, 50);
    const expected = first.map(({ volume }) => volume);
    // The series has the rows in its own file before the disk is full.
    assert.deepEqual(await stored(pool), expected);

    control.set({ writeMask: mask, writeAt: 1 });
    // Several at once: those behind the first are judged on top of it.
    const refused = ticks(120);
    const batches = [0, 1, 2, 3].map((place) => refused.slice(place * 30, place * 30 + 30));
    const answers = await Promise.all(batches.map((rows, place) => post(pool, rows, 2 + place)));
    for (const { status, code, accepted } of answers) {
      assert.equal(accepted, 0, "nothing is acknowledged");
      assert.ok([507, 503, 409].includes(status), `${status} ${code}`);
    }
    assert.equal(answers[0]!.code, "log_storage_full");
    assert.equal(answers[0]!.status, 507);
    const { status, code } = await post(pool, ticks(3));
    assert.deepEqual([status, code], [507, "log_storage_full"], "and it stays so");
    const { body } = await readiness(pool);
    assert.equal(body.ready, false);
    assert.match(body.reasons.join(), /full/);
    const fromSdk = ticks(20);
    let appended = false;
    const appending = client
      .dataset("ticks")
      .append(fromSdk)
      .then((answer) => {
        appended = true;
        return answer;
      });
    appending.catch(() => {});
    await assertReads(pool, client, expected);
    assert.ok(!appended);

    control.clear();
    const again = await Promise.all(batches.map((rows, place) => post(pool, rows, 2 + place)));
    for (let place = 0; place < 4; place++) {
      // What arrived ahead of its turn is sent once more.
      const answer = again[place]!.status === 200 ? again[place]! : await post(pool, batches[place]!, 2 + place);
      assert.deepEqual({ ...answer }, { status: 200, code: undefined, accepted: 30, duplicate: 0 }, `batch ${place}`);
    }
    const { account } = await appending;
    assert.equal(account.accepted, 20, "the SDK got through by itself");
    const all = await stored(pool);
    assert.deepEqual(
      [...all].sort((one, two) => one - two),
      [...expected, ...refused.map(({ volume }) => volume), ...fromSdk.map(({ volume }) => volume)],
      "each row is stored once",
    );
    assert.equal((await readiness(pool)).status, 200, "ready again");
    const report = await pool.verify();
    assert.ok(report.ok, JSON.stringify(report));
    assert.equal(await pool.stop(), 0);
  });
}

it("takes rows while only the series cannot be written, and shows them when it can", async (test) => {
  const shimmed = await underShim(test);
  if (shimmed === undefined) return;
  const { pool, control } = shimmed;
  assert.equal((await post(pool, ticks(10))).accepted, 10);
  const before = await stored(pool);
  control.set({ writeMask: faultFile.other, writeAt: 1 });
  const during = ticks(200);
  assert.equal((await post(pool, during)).accepted, 200, "the log has them");
  await eventually("a failed write of the series", () => control.get("writeSeen") > 1);
  assert.equal((await pool.http<{ row: object }>("GET", "/v1/datasets/ticks/latest/EURUSD")).status, 200);
  control.clear();
  await eventually("a series that has caught up", async () => {
    const { status } = await pool.http("POST", "/v1/datasets/ticks/query", { limit: 1 });
    return status === 200;
  });
  assert.deepEqual(await stored(pool), [...before, ...during.map(({ volume }) => volume)]);
  const report = await pool.verify();
  assert.ok(report.ok, JSON.stringify(report));
  assert.equal(await pool.stop(), 0);
});

it("acknowledges nothing after a failed sync, reads on, and recovers by a restart", async (test) => {
  const shimmed = await underShim(test);
  if (shimmed === undefined) return;
  const { pool, control, folder, env } = shimmed;
  const client = await connect({ url: pool.addresses.url, token: pool.token });
  test.after(() => client.close());
  const first = ticks(40);
  assert.equal((await post(pool, first, 1)).accepted, 40);
  const expected = first.map(({ volume }) => volume);

  control.set({ syncMask: faultFile.wal, syncAt: 1 });
  const lost = ticks(10);
  const failed = await post(pool, lost, 2);
  assert.deepEqual([failed.status, failed.code, failed.accepted], [503, "log_read_only", 0]);
  control.clear();
  const after = await post(pool, ticks(5));
  assert.deepEqual([after.status, after.code], [503, "log_read_only"], "a healthy disk does not make it good");
  const ready = await readiness(pool);
  assert.equal(ready.status, 503);
  assert.match(ready.body.reasons.join(), /sync/);
  await assertReads(pool, client, expected);
  client.close();
  await pool.stop();

  const next = await startPool(folder, { env });
  assert.equal((await readiness(next)).status, 200);
  const there = await stored(next);
  assert.deepEqual(there.slice(0, 40), expected, "what was acknowledged is there");
  // The refused batch may have reached the disk all the same: sent again, it is stored once either way.
  const resent = await post(next, lost, 2);
  assert.equal(resent.status, 200);
  assert.deepEqual(await stored(next), [...expected, ...lost.map(({ volume }) => volume)]);
  await eventually("a whole pool", async () => (await next.verify()).ok);
  assert.equal(await next.stop(), 0);
});
