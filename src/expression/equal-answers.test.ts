/** One answer everywhere: random expressions over random rows on the interpreter, JavaScript, SQLite and DuckDB. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from "@duckdb/node-api";
import fc from "fast-check";
import { batchOfRows, type Column, columnKind, type Value, type ValueType, valueAt } from "../batch/index.ts";
import {
  checkExpression,
  compileColumn,
  compileFilter,
  compileRules,
  compileSql,
  type Expression,
  evaluate,
  formatExpression,
  identifier,
  joinSql,
  parseExpression,
  renderSql,
  type SqlDialect,
  sql,
} from "./index.ts";
import { Generator, layout, type RandomRow, samples } from "./random-tree.test-helper.ts";

const rounds = Math.max(1, Math.round(Number(process.env.MILLPOND_RUNS ?? 120) / 10));
const EXPRESSIONS = 40;
const ROWS = 12;

let duckdb: DuckDBConnection;
let sqlite: DatabaseSync;
before(async () => {
  duckdb = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  sqlite = new DatabaseSync(":memory:");
});
after(() => {
  duckdb.closeSync();
  sqlite.close();
});

const columnTypes: Readonly<Record<SqlDialect, Readonly<Record<string, string>>>> = {
  sqlite: { float: "REAL", integer: "INTEGER", instant: "INTEGER", duration: "INTEGER", boolean: "INTEGER" },
  duckdb: { float: "DOUBLE", integer: "BIGINT", instant: "BIGINT", duration: "BIGINT", boolean: "BOOLEAN" },
};

async function run(dialect: SqlDialect, fragment: ReturnType<typeof sql>): Promise<unknown[][]> {
  const { text, values } = renderSql(fragment, dialect);
  if (dialect === "duckdb")
    return (await duckdb.runAndReadAll(text, values as DuckDBValue[])).getRowsJS() as unknown[][];
  const statement = sqlite.prepare(text);
  statement.setReturnArrays(true);
  return statement.all(...(values as (string | number | null)[])) as unknown as unknown[][];
}

async function load(dialect: SqlDialect, rows: readonly RandomRow[]): Promise<void> {
  await run(dialect, sql`drop table if exists data`);
  const columns = layout.map(
    ({ name, type }) => `${identifier(name).parts[0]} ${columnTypes[dialect][type] ?? "VARCHAR"}`,
  );
  await run(dialect, { parts: [`create table data (place BIGINT, ${columns.join(", ")})`], values: [] });
  const tuples = rows.map(
    (row, place) => sql`(${joinSql([place, ...layout.map(({ name }) => row[name]!)].map((value) => sql`${value}`))})`,
  );
  await run(dialect, sql`insert into data values ${joinSql(tuples)}`);
}

function plain(value: unknown, type: ValueType): Value {
  if (value === null) return null;
  if (columnKind(type) === "boolean") return Boolean(value);
  return columnKind(type) === "number" ? Number(value) : String(value);
}

async function compareOn(rows: readonly RandomRow[], expressions: readonly (readonly [ValueType, Expression])[]) {
  const batch = batchOfRows(layout, rows);
  const expected = expressions.map(([, expression]) => rows.map((row) => evaluate(expression, layout, row)));
  const check = (engine: string, place: number, index: number, actual: Value): void => {
    const [, expression] = expressions[index]!;
    const wanted = expected[index]![place]!;
    // Equal numbers, whatever the sign of zero.
    if (actual === wanted) return;
    const row = JSON.stringify(rows[place]);
    assert.fail(`${engine}: ${formatExpression(expression)} gives ${actual}, not ${wanted}, on ${row}`);
  };
  expressions.forEach(([type, expression], index) => {
    const column: Column = compileColumn(expression, layout)(batch);
    for (let place = 0; place < rows.length; place++) check("column", place, index, valueAt(column, place));
    if (type !== "boolean") return;
    const places = new Uint32Array(rows.length);
    const found = [...places.subarray(0, compileFilter(expression, layout)(batch, places))];
    const wanted = rows.flatMap((_, place) => (expected[index]![place] === true ? [place] : []));
    assert.deepEqual(found, wanted, `filter: ${formatExpression(expression)}`);
  });
  for (const dialect of ["sqlite", "duckdb"] as const) {
    await load(dialect, rows);
    const columns = joinSql(expressions.map(([, expression]) => sql`${compileSql(expression, layout, dialect)}`));
    const answers = await run(dialect, sql`select ${columns} from data order by place`);
    answers.forEach((answer, place) => {
      for (const [index, [type]] of expressions.entries()) check(dialect, place, index, plain(answer[index], type));
    });
  }
}

test("random expressions give equal answers on every compiler and engine", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const generator = new Generator(seed);
      const expressions = Array.from({ length: EXPRESSIONS }, () => {
        const type = generator.type();
        return [type, generator.expression(type, 4)] as const;
      });
      for (const nullShare of [0, 0.25]) await compareOn(generator.rows(ROWS, nullShare), expressions);
    }),
    { numRuns: rounds },
  );
});

test("every pair of the hard values compares, divides and rounds alike", async () => {
  const pairs: readonly (readonly [ValueType, string, string, readonly string[]])[] = [
    ["decimal", "amount", "fee", ["amount < fee", "amount >= fee", "amount = fee"]],
    ["text", "symbol", "note", ["symbol < note", "symbol >= note", "least(symbol, note)", "ends_with(symbol, note)"]],
    [
      "float",
      "bid",
      "ask",
      ["bid / ask", "bid % ask", "bid / 0.25", "bid / 3", "bid % 0.25", "bid * ask > 0", "greatest(bid, ask)"].concat([
        "round(bid)",
        "round(ask, 2)",
        "round(bid, 12)",
        "floor(bid)",
        "1 / (bid * 1e300)",
        "bid - ask is null",
      ]),
    ],
    ["instant", "time", "seen", ["time - seen", "truncate(time, 1m)", "truncate(seen, 7us)", "time < seen"]],
  ];
  for (const [type, left, right, texts] of pairs) {
    const rows = samples[type].flatMap((one) => samples[type].map((two) => ({ [left]: one, [right]: two })));
    const empty = Object.fromEntries(layout.map(({ name }) => [name, null]));
    const expressions = texts.map((text) => {
      const expression = parseExpression(text, layout);
      return [checkExpression(expression, layout).type, expression] as const;
    });
    await compareOn(
      rows.map((row) => ({ ...empty, ...row })),
      expressions,
    );
  }
});

test("the declared nullability holds: what cannot be null never is", () => {
  const strict = layout.map((field) => ({ ...field, nullable: false }));
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const generator = new Generator(seed);
      const expression = generator.expression(generator.type(), 4);
      if (checkExpression(expression, strict).nullable) return;
      for (const row of generator.rows(8, 0)) {
        assert.notEqual(evaluate(expression, strict, row), null, formatExpression(expression));
      }
    }),
    { numRuns: rounds * 20 },
  );
});

test("text form: parsing what was formatted gives the same tree", () => {
  fc.assert(
    fc.property(fc.integer(), fc.boolean(), (seed, previous) => {
      const generator = new Generator(seed);
      const expression = generator.expression(generator.type(), 5, previous);
      const text = formatExpression(expression);
      if (text.length > 10_000) return;
      const read = parseExpression(text, layout);
      assert.equal(formatExpression(read), text);
      const row = generator.rows(2, 0.2);
      assert.equal(evaluate(read, layout, row[0]!, row[1]), evaluate(expression, layout, row[0]!, row[1]));
    }),
    { numRuns: rounds * 20 },
  );
});

test("random rules, looking back, are judged as the interpreter does", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const generator = new Generator(seed);
      const rules = Array.from({ length: 5 }, () => generator.expression("boolean", 4, true));
      const { previousFields, bind } = compileRules(rules, layout);
      for (const nullShare of [0, 0.25]) {
        const rows = generator.rows(10, nullShare);
        const before = generator.rows(3, nullShare);
        const store = batchOfRows(layout, before);
        const values = layout.map((_, index) => {
          const column = store.columns[index]!;
          if (!previousFields.includes(index)) return undefined;
          if (column.kind === "text") return before.map((_, slot) => valueAt(column, slot) as string | null);
          return column.values;
        });
        const nulls = store.columns.map((column) => column.nulls ?? undefined);
        const judge = bind(batchOfRows(layout, rows), { present: Uint8Array.of(1, 1, 0), values, nulls });
        rows.forEach((row, place) => {
          const slot = place % 3;
          const previous = slot === 2 ? undefined : before[slot];
          rules.forEach((rule, bit) => {
            const broken = ((judge(place, slot) >> bit) & 1) === 1;
            assert.equal(broken, evaluate(rule, layout, row, previous) === false, formatExpression(rule));
          });
        });
      }
    }),
    { numRuns: rounds * 5 },
  );
});
