/** A declaration that changes between two starts: a compatible change goes on, any other changes nothing. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { createEnvironment, MillpondError } from "../../src/base/index.ts";
import { rowsOf } from "../../src/batch/index.ts";
import { float, instant, optional, type SeriesContract, series, text } from "../../src/contract/index.ts";
import { definePool, openPool, type Pool } from "../../src/pool/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { allRows, tailed } from "../support/rows.ts";

const fields = { sensor: text({ max: 32 }), time: instant(), value: float() };
const readings = (more: object = {}, name = "readings") =>
  series(name, { fields: { ...fields, ...more }, key: ["sensor"], time: "time", lateness: null }) as SeriesContract;

const poolOf = (...datasets: readonly SeriesContract[]) =>
  definePool({
    name: "evolving",
    description: "A dataset that changes",
    datasets,
    feeds: datasets.map(({ name }) => ({ name: "api", kind: "api", dataset: name, description: "Rows" })),
    flows: [],
  });

const at = (second: number): number => 1_770_000_000_000_000 + second * 1e6;

async function submit(pool: Pool, batch: number, rows: readonly object[]): Promise<void> {
  const { account } = await pool.submit({
    ...{ dataset: "readings", feed: "api", session: "s", batch, actor: "user:test" },
    incoming: { kind: "rows", rows },
  });
  assert.equal(account.accepted, rows.length);
}

async function versions(pool: Pool): Promise<string[]> {
  const { layout, batch } = await pool.query({ dataset: "_contracts" });
  return rowsOf(layout, batch).map(({ dataset, version }) => `${dataset} ${version}`);
}

it("goes on under a compatibly changed contract and refuses any other", async (test) => {
  const folder = await temporaryFolder(test, "contracts");
  const open = (...datasets: readonly SeriesContract[]) =>
    openPool(poolOf(...datasets), { folder, environment: createEnvironment() });
  const using = async <Result>(pool: Pool, use: (pool: Pool) => Promise<Result>): Promise<Result> => {
    try {
      return await use(pool);
    } finally {
      await pool.close();
    }
  };

  await using(await open(readings()), (pool) => submit(pool, 1, [{ sensor: "a", time: at(1), value: 1.5 }]));

  const withNote = readings({ note: optional(text({ max: 100 })) });
  await using(await open(withNote), async (pool) => {
    assert.deepEqual(await versions(pool), ["readings 1", "readings 2"]);
    assert.deepEqual(pool.latest("readings", "a")?.row, { sensor: "a", time: at(1), value: 1.5, note: null });
    await submit(pool, 2, [{ sensor: "a", time: at(2), value: 2.5, note: "new" }]);
    const rows = [
      { sensor: "a", time: at(1), value: 1.5, note: null },
      { sensor: "a", time: at(2), value: 2.5, note: "new" },
    ];
    const held = (await allRows(pool, "readings")).map(({ _position, _place, ...row }) => row);
    assert.deepEqual(held, rows, "old rows are read with null");
    assert.deepEqual(await tailed(pool, "readings"), rows, "and pushed so");
    assert.equal((await pool.explain("readings", ["a"], at(1))).contract, 1, "the commit says what it was stored as");
    assert.equal((await pool.explain("readings", ["a"], at(2))).contract, 2);
    assert.ok((await pool.verify()).ok);
  });

  const head = await using(await open(withNote), async (pool) => {
    assert.deepEqual(await versions(pool), ["readings 1", "readings 2"], "the same contract is no new version");
    return pool.door.head();
  });

  const otherType = readings({ value: text({ max: 10 }) });
  const another = readings({}, "another");
  await assert.rejects(open(another, otherType), (error) => {
    assert.ok(error instanceof MillpondError);
    assert.equal(error.code, "contract_incompatible");
    assert.equal(error.details.dataset, "readings");
    assert.match(String(error.details.changes), /value/);
    assert.ok(String(error.details.plan).length > 10, "it says what to do");
    return true;
  });
  await using(await open(withNote), async (pool) => {
    assert.equal(pool.door.head(), head, "nothing was stored, not even the other dataset's contract");
    assert.deepEqual(await versions(pool), ["readings 1", "readings 2"]);
    assert.equal((await allRows(pool, "readings")).length, 2);
    assert.ok((await pool.verify()).ok);
  });
});
