import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";
import { batchOfRows, type Layout } from "../batch/index.ts";
import {
  type Aggregate,
  compileAggregateSql,
  compileColumn,
  compileFilter,
  compileRules,
  compileSql,
  count,
  first,
  identifier,
  joinSql,
  last,
  max,
  mean,
  min,
  parseExpression,
  references,
  renderSql,
  type SqlDialect,
  sql,
  standardDeviation,
  sum,
  weightedMean,
} from "./index.ts";

const layout = [
  { name: "symbol", type: "text", nullable: false },
  { name: "bid", type: "float", nullable: true },
  { name: "volume", type: "integer", nullable: true },
  { name: "time", type: "instant", nullable: false },
] as const satisfies Layout;
type Fields = { [Field in (typeof layout)[number] as Field["name"]]: Field };
const t = references<Fields>(layout);

const rows = [
  { symbol: "EURUSD", bid: 1, volume: 2, time: 30 },
  { symbol: "GBPUSD", bid: null, volume: 5, time: 10 },
  { symbol: "EURUSD", bid: 4, volume: null, time: 20 },
  { symbol: "EURUSD", bid: 2, volume: 6, time: 40 },
];

test("a filter writes the places of true rows in order and looks at each batch anew", () => {
  const filter = compileFilter(parseExpression("symbol = 'EURUSD' and bid > 1", layout), layout);
  const places = new Uint32Array(4);
  assert.equal(filter(batchOfRows(layout, rows), places), 2);
  assert.deepEqual([...places.subarray(0, 2)], [2, 3]);
  assert.equal(filter(batchOfRows(layout, [rows[3]!]), places), 1);
  assert.equal(places[0], 0);
  assert.equal(filter(batchOfRows(layout, []), places), 0);
  assert.throws(() => filter(batchOfRows(layout, rows), new Uint32Array(1)), /room/);
});

test("columns have the shape that batches promise", () => {
  const batch = batchOfRows(layout, rows);
  const of = (text: string) => compileColumn(parseExpression(text, layout), layout)(batch);
  const doubled = of("bid * 2");
  assert.ok(doubled.kind === "number");
  assert.deepEqual([...doubled.values], [2, 0, 8, 4]);
  assert.deepEqual([...doubled.nulls!], [0, 1, 0, 0]);
  assert.equal(of("coalesce(bid, 0)").nulls, null);
  const lower = of("before(lower(symbol), 'usd')");
  assert.ok(lower.kind === "text");
  assert.deepEqual(lower.dictionary, ["eur", "gbp"]);
  assert.deepEqual([...lower.indexes], [0, 1, 0, 0]);
  const zero = of("0 * -volume");
  assert.ok(zero.kind === "number" && Object.is(zero.values[0], 0));
  assert.equal(of("bid"), batch.columns[1]);
});

test("rules see the previous row as it stands when they are called", () => {
  const rules = compileRules(
    [t.bid.gt(0).expression, t.bid.change().abs().lt(1.5).expression, t.symbol.previous().eq(t.symbol).expression],
    layout,
  );
  assert.deepEqual(rules.previousFields, [0, 1]);
  const present = new Uint8Array(1);
  const bids = new Float64Array(1);
  const symbols: (string | null)[] = [null];
  const nulls = new Uint8Array(1);
  const judge = rules.bind(batchOfRows(layout, rows), { present, values: [symbols, bids], nulls: [undefined, nulls] });
  assert.equal(judge(2, 0), 0, "without a previous row nothing is false");
  present[0] = 1;
  bids[0] = 2;
  symbols[0] = "EURUSD";
  assert.equal(judge(2, 0), 0b010);
  assert.equal(judge(1, 0), 0b100, "null is not false");
  nulls[0] = 1;
  assert.equal(judge(2, 0), 0);
  assert.equal(compileRules([], layout).bind(batchOfRows(layout, rows), { present, values: [], nulls: [] })(0, 0), 0);
  const all = Array.from({ length: 31 }, () => parseExpression("bid < 0", layout));
  assert.equal(
    compileRules(all, layout).bind(batchOfRows(layout, rows), { present, values: [], nulls: [] })(0, 0),
    2 ** 31 - 1,
  );
  assert.throws(() => compileRules([...all, all[0]!], layout), /31/);
});

test("names and texts never become code", () => {
  const hostile: Layout = [{ name: 'x"); throw 1; ("', type: "text", nullable: true }];
  const term = references(hostile)['x"); throw 1; ("']!;
  const expression = term.concat('`$1\\"; --').eq("' or 1=1").expression;
  const batch = batchOfRows(hostile, [{ 'x"); throw 1; ("': "a" }]);
  assert.equal(compileFilter(expression, hostile)(batch, new Uint32Array(1)), 0);
  const { text, values } = renderSql(compileSql(expression, hostile, "sqlite"), "sqlite");
  assert.equal(text, '(("x""); throw 1; (""" || ?) = ?)');
  assert.deepEqual(values, ['`$1\\"; --', "' or 1=1"]);
});

test("fragments compose, and parameters are numbered when all is put together", () => {
  const where = compileSql(t.volume.gte(5).and(t.symbol.eq("A")).expression, layout, "duckdb", (name) =>
    identifier("t", name),
  );
  const limit = 10;
  const statement = sql`select ${joinSql([identifier("a"), identifier('b"c')])} from t where ${where} limit ${limit}`;
  assert.deepEqual(renderSql(statement, "duckdb"), {
    text: 'select "a", "b""c" from t where (("t"."volume" >= CAST($1 AS BIGINT)) AND ("t"."symbol" = CAST($2 AS VARCHAR))) limit $3',
    values: [5, "A", 10],
  });
  assert.deepEqual(renderSql(sql`${true}, ${null}, ${1e300}`, "sqlite"), { text: "?, ?, ?", values: [1, null, 1e300] });
  assert.deepEqual(renderSql(sql`${true}, ${1e300}`, "duckdb"), {
    text: "$1, CAST($2 AS DOUBLE)",
    values: [true, "1e+300"],
  });
  assert.throws(() => compileSql(t.bid.change().expression, layout, "duckdb"), { code: "expression_type" });
});

test("aggregates skip nulls, in order of time, on each engine", async () => {
  const wanted: readonly (readonly [Aggregate, number | string | null])[] = [
    [count(), 4],
    [count(t.bid), 3],
    [sum(t.volume), 13],
    [min(t.bid), 1],
    [max(t.symbol), "GBPUSD"],
    [mean(t.bid), 7 / 3],
    [weightedMean(t.bid, t.volume), 14 / 8],
    [sum(t.bid.times(1e308)), 1e308],
    [sum(t.bid.plus(1e308)), null],
    [weightedMean(t.bid, t.volume.times(0)), null],
    [first(t.bid), 4],
    [last(t.bid), 2],
    [first(t.symbol), "GBPUSD"],
    [standardDeviation(t.bid), Math.sqrt(14 / 9)],
  ];
  const duckdb = await (await DuckDBInstance.create(":memory:")).connect();
  const sqlite = new DatabaseSync(":memory:");
  const create = "create table data (symbol varchar, bid double, volume bigint, time bigint)";
  const tuples = rows.map(({ symbol, bid, volume, time }) => sql`(${symbol}, ${bid}, ${volume}, ${time})`);
  const run = async (dialect: SqlDialect, fragment: ReturnType<typeof sql>): Promise<unknown[]> => {
    const { text, values } = renderSql(fragment, dialect);
    if (dialect === "sqlite")
      return Object.values(sqlite.prepare(text).get(...(values as (string | number | null)[])) ?? {});
    const reader = await duckdb.runAndReadAll(text, values as DuckDBValue[]);
    return (reader.getRowsJS()[0] ?? []) as unknown[];
  };
  for (const dialect of ["sqlite", "duckdb"] as const) {
    await run(dialect, { parts: [create], values: [] });
    await run(dialect, sql`insert into data values ${joinSql(tuples)}`);
    for (const [aggregate, value] of wanted) {
      const options = { order: sql`(${identifier("time")}, 1)` };
      if (dialect === "sqlite" && ["first", "last", "standardDeviation"].includes(aggregate.function)) {
        assert.throws(() => compileAggregateSql(aggregate, layout, dialect, options), { code: "expression_type" });
        continue;
      }
      const [actual] = await run(
        dialect,
        sql`select ${compileAggregateSql(aggregate, layout, dialect, options)} as a from data`,
      );
      const answer = typeof actual === "bigint" ? Number(actual) : actual;
      const close = typeof value === "number" && Math.abs(Number(answer) - value) < 1e-12;
      assert.ok(answer === value || close, `${dialect} ${aggregate.function}: ${String(actual)} instead of ${value}`);
    }
  }
  duckdb.closeSync();
  sqlite.close();
});
