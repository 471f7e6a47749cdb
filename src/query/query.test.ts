import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../testing/log-conformance.ts";
import { manualClock } from "../../testing/log-samples.ts";
import { changeOf, tradeContract, versionOf } from "../../testing/view-conformance.ts";
import { createEnvironment, MillpondError } from "../base/index.ts";
import { rowsOf, type Value } from "../batch/index.ts";
import { type Contract, type ContractVersion, contractFromJson, contractToJson } from "../contract/index.ts";
import { type DuckdbSeries, openDuckdbSeries } from "../engine/duckdb/index.ts";
import { createMemoryLog } from "../engine/memory/index.ts";
import { createLog, type Log } from "../log/index.ts";
import { createViewRunner, type ViewRunner } from "../view/index.ts";
import { createQuery, pageRows, type Query, readPlan } from "./index.ts";
import { type ReferencePlan, referenceRows, type StoredRow } from "./reference.test-helper.ts";

const RUNS = Number(process.env.MILLPOND_RUNS ?? 60);
const content = tradeContract;
const corrected = contractFromJson({ ...contractToJson(tradeContract), name: "quotes", identity: "keyTime" });
const contracts = new Map<string, ContractVersion>([
  [content.name, versionOf(content)],
  [corrected.name, versionOf(corrected)],
]);

interface Pool {
  readonly log: Log;
  readonly series: DuckdbSeries;
  readonly runner: ViewRunner;
  readonly query: Query;
  readonly stored: Map<string, StoredRow[]>;
  append(contract: Contract, cells: readonly (readonly Value[])[]): Promise<number>;
  close(): Promise<void>;
}

async function openPool(): Promise<Pool> {
  const folder = mkdtempSync(join(tmpdir(), "millpond-query-"));
  const environment = createEnvironment({ clock: manualClock() });
  const log = createLog(createMemoryLog({ environment }), environment);
  const series = await openDuckdbSeries({ file: join(folder, "series.duckdb"), environment, threads: 2 });
  const runner = createViewRunner(series, log, environment, { contracts: () => contracts.values() });
  const controller = new AbortController();
  const running = runner.run(controller.signal);
  const query = createQuery({ engine: series, runner, log, contracts, environment });
  const stored = new Map<string, StoredRow[]>([...contracts.keys()].map((name) => [name, []]));
  return {
    log,
    series,
    runner,
    query,
    stored,
    async append(contract, cells) {
      const change = changeOf(contract, cells);
      const cause = { kind: "contract", dataset: contract.name, version: 1 } as const;
      const { position } = await log.append({ actor: "system", cause, changes: [change] });
      rowsOf(contract.layout, change.batch).forEach((row, place) => {
        stored.get(contract.name)!.push({ ...row, _position: position, _place: place });
      });
      return position;
    },
    async close() {
      controller.abort();
      await running;
      await series.close();
      await log.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const START = 1_700_000_000_000_000;
const orNull = <T extends Value>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 4 });
const decimals = ["0", "10", "-10", "9.99", "-9.99", "9.9", "-9.9", "123456789012345678901234567890.5", "-0.5", "0.05"];
const cells = fc.tuple(
  fc.constantFrom("EUR", "USD", "ÄÖ", "a", "Z"),
  fc.integer({ min: -5, max: 9 }).map((step) => START + step * 500_000),
  orNull(fc.integer({ min: -16, max: 16 }).map((eighths) => eighths / 8)),
  orNull(fc.integer({ min: -5, max: 5 })),
  orNull(fc.constantFrom("buy", "sell")),
  orNull(fc.constantFrom("", "b", "B", "a longer text than twelve bytes", "\u{1f600}", "\uffee")),
  orNull(fc.boolean()),
  orNull(fc.constantFrom(...decimals)),
  fc.constant(null),
);

const conditions = [
  "symbol = 'EUR'",
  "symbol in ('EUR', 'a') and price > 0",
  "price > 0 or size < 0",
  "side = 'buy'",
  "side is null",
  "not flag",
  "time >= '2023-11-14T22:13:20Z'",
  "upper(symbol) = 'A' or note is not null",
  "amount > decimal '9.9'",
  "_position > 3",
  "length(symbol) = 2 and size + price > 1",
];
const names = ["symbol", "time", "price", "size", "side", "note", "flag", "amount", "_position"];
const computed = [
  { as: "twice", value: "price * 2" },
  { as: "code", value: "concat(symbol, '!')" },
  { as: "whole", value: "floor(price)" },
];
const aggregates = {
  rows: "count()",
  prices: "count(price)",
  open: "first(price)",
  close: "last(price)",
  low: "min(price)",
  high: "max(price)",
  volume: "sum(size)",
  average: "mean(price)",
  note_max: "max(note)",
  side_last: "last(side)",
};

const common = {
  where: fc.option(fc.constantFrom(...conditions), { nil: undefined }),
  limit: fc.integer({ min: 1, max: 20 }),
};
const orderOf = (outputs: readonly string[]) =>
  fc.uniqueArray(fc.tuple(fc.constantFrom(...outputs), fc.boolean()), { maxLength: 3, selector: ([name]) => name });
const rowPlan = fc
  .record({
    ...common,
    select: fc.option(fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }), { nil: undefined }),
    more: fc.subarray(computed),
  })
  .chain(({ more, select, ...rest }) => {
    const items = select === undefined ? undefined : [...select, ...more];
    const outputs =
      select === undefined ? names.filter((name) => !name.startsWith("_")) : [...select, ...more.map(({ as }) => as)];
    return orderOf(outputs).map((order) => ({ ...rest, select: items, order }));
  });
const groupPlan = fc
  .record({
    ...common,
    group: fc.uniqueArray(fc.constantFrom("symbol", "side", "flag", "size"), { maxLength: 2 }),
    window: fc.option(fc.constantFrom(1_000_000, 3_000_000, 86_400_000_000), { nil: undefined }),
    chosen: fc.subarray(Object.keys(aggregates), { minLength: 1 }),
  })
  .chain(({ chosen, group, window, ...rest }) => {
    const outputs = [...group, ...(window === undefined ? [] : ["window_start"]), ...chosen];
    const picked = Object.fromEntries(chosen.map((name) => [name, aggregates[name as keyof typeof aggregates]]));
    return orderOf(outputs).map((order) => ({
      ...rest,
      ...(group.length > 0 && { group }),
      ...(window !== undefined && { window: { every: window } }),
      aggregates: picked,
      order,
    }));
  });
const anyPlan = fc.oneof(rowPlan, groupPlan).map(({ order, ...plan }) => {
  const orders = order.map(([by, descending]) => (descending ? `-${by}` : by));
  return JSON.parse(JSON.stringify({ ...plan, order: orders })) as Record<string, unknown>;
});

describe("plans answer as the rules say", () => {
  let pool: Pool;
  before(async () => {
    pool = await openPool();
    for (const batch of fc.sample(fc.array(cells, { minLength: 0, maxLength: 40 }), { numRuns: 12, seed: 7 })) {
      await pool.append(content, batch);
      await pool.append(corrected, batch);
    }
  });
  after(() => pool.close());

  for (const contract of [content, corrected]) {
    it(`over ${contract.identity} rows, page after page, at any position`, async () => {
      const position = fc.option(fc.integer({ min: 0, max: 24 }), { nil: undefined });
      await fc.assert(
        fc.asyncProperty(anyPlan, position, async (given, asOf) => {
          const plan = readPlan({ ...given, ...(asOf !== undefined && { asOf }) }, contract);
          const rows: Record<string, Value>[] = [];
          for await (const page of pageRows(pool.query, plan)) {
            assert.ok(page.batch.count <= plan.limit!);
            assert.equal(page.position, asOf ?? pool.log.head.position);
            rows.push(...rowsOf(page.layout, page.batch));
          }
          const expected = referenceRows(plan as ReferencePlan, contract, pool.stored.get(contract.name)!);
          assert.deepEqual(rows, expected);
        }),
        { numRuns: RUNS },
      );
    });
  }
});

describe("query", () => {
  let pool: Pool;
  before(async () => {
    pool = await openPool();
  });
  after(() => pool.close());
  const row = (symbol: string, second: number, price: number): Value[] => [
    symbol,
    START + second * 1_000_000,
    price,
    ...new Array(6).fill(null),
  ];

  it("sees everything the log held when it was asked, and says where it stands", async () => {
    const position = await pool.append(content, [row("EUR", 1, 1)]);
    const answer = await pool.query.run(readPlan({}, content));
    assert.deepEqual([answer.position, answer.batch.count, answer.view], [position, 1, "series"]);
  });

  it("gives pages of one state while rows are appended", async () => {
    await pool.append(
      content,
      Array.from({ length: 9 }, (_, index) => row("USD", index, index)),
    );
    const plan = readPlan({ where: "symbol = 'USD'", order: "-time", limit: 4, select: "time, price" }, content);
    const prices: Value[] = [];
    for await (const page of pageRows(pool.query, plan)) {
      prices.push(...rowsOf(page.layout, page.batch).map(({ price }) => price!));
      await pool.append(content, [row("USD", 100, 100), row("USD", -1, -1)]);
    }
    assert.deepEqual(prices, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
  });

  it("refuses a cursor of another plan, and one that was made up", async () => {
    const { next } = await pool.query.run(readPlan({ limit: 1 }, content));
    assert.ok(next);
    const other = { limit: 1, where: "price > 0" };
    for (const plan of [
      { ...other, after: next },
      { limit: 1, after: "bm90IGEgY3Vyc29y" },
      { limit: 1, after: "" },
    ]) {
      await assert.rejects(pool.query.run(readPlan(plan, content)), rejectsWith("plan_invalid"));
    }
    await pool.query.run(readPlan({ limit: 7, after: next }, content));
  });

  it("answers at the last revision up to a position", async () => {
    const first = await pool.append(corrected, [row("EUR", 1, 1), row("EUR", 2, 2)]);
    const second = await pool.append(corrected, [row("EUR", 1, 10)]);
    const prices = async (asOf: number) => {
      const { layout, batch } = await pool.query.run(
        readPlan({ select: "time, price", order: "time", asOf }, corrected),
      );
      return rowsOf(layout, batch).map(({ price }) => price);
    };
    assert.deepEqual(
      [await prices(first), await prices(second)],
      [
        [1, 2],
        [10, 2],
      ],
    );
  });

  it("refuses positions the log does not hold, and stops waiting for them in time", async () => {
    const beyond = pool.log.head.position + 1;
    await assert.rejects(pool.query.run(readPlan({ asOf: beyond }, content)), rejectsWith("log_position_unknown"));
    const { log, series, runner } = pool;
    const environment = createEnvironment();
    const impatient = createQuery({ engine: series, runner, log, contracts, environment, timeoutMs: 20 });
    await assert.rejects(impatient.run(readPlan({ atLeast: beyond }, content)), rejectsWith("query_timeout"));
  });

  it("stops with its caller", async () => {
    const controller = new AbortController();
    const reason = new Error("gone");
    const plan = readPlan({ atLeast: pool.log.head.position + 1 }, content);
    const running = pool.query.run(plan, { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(running, reason);
  });

  it("says where a plan is wrong", () => {
    const wrong: readonly [unknown, string][] = [
      [[], "plan"],
      [{ dataset: "other" }, "dataset"],
      [{ size: 3 }, "plan"],
      [{ where: "price >" }, "where"],
      [{ where: "price + 1" }, "where"],
      [{ where: { op: "field", name: "nothing" } }, "where"],
      [{ select: ["price", "nothing"] }, "select[1]"],
      [{ select: ["price", "price"] }, "select"],
      [{ select: [{ as: "a b", value: "price" }] }, "select[0].as"],
      [{ select: ["price"], group: ["symbol"] }, "select"],
      [{ window: "tomorrow" }, "window.every"],
      [{ window: { every: 0 } }, "window.every"],
      [{ aggregates: { a: "median(price)" } }, "aggregates.a"],
      [{ aggregates: { a: "sum(symbol)" } }, "aggregates.a"],
      [{ order: "nothing" }, "order[0].by"],
      [{ limit: 0 }, "limit"],
      [{ limit: 1_000_001 }, "limit"],
      [{ asOf: -1 }, "asOf"],
      [{ after: 7 }, "after"],
    ];
    for (const [plan, path] of wrong) {
      assert.throws(
        () => readPlan(plan, content),
        (error) => {
          assert.ok(error instanceof MillpondError, String(error));
          assert.deepEqual([error.code, error.details.path], ["plan_invalid", path], JSON.stringify(plan));
          return true;
        },
      );
    }
  });

  it("does not know datasets that are not declared", async () => {
    await assert.rejects(pool.query.run({ dataset: "nothing" }), rejectsWith("dataset_unknown"));
  });
});
