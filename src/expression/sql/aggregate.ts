/** Aggregates as SQL. Null inputs are skipped; over no rows all but `count` give NULL. */
import { fail } from "../../base/index.ts";
import type { Layout } from "../../batch/index.ts";
import { checkAggregate, checkedTypes } from "../check.ts";
import type { Aggregate, Expression } from "../types.ts";
import { type ColumnOf, dialects, SqlCompiler } from "./compile.ts";
import { identifier, type SqlDialect, type SqlFragment, sql, sqlText } from "./fragment.ts";

export interface AggregateSqlOptions {
  /** What `first` and `last` go by, for example `(time, position)`; never null. */
  readonly order: SqlFragment;
  readonly column?: ColumnOf;
}

/**
 * Sums of doubles depend on the order in which an engine adds: float sums, means and deviations agree to the last few
 * bits only. SQLite has no ordered aggregate and no deviation: `first`, `last` and `standardDeviation` are refused.
 * DuckDB itself refuses a deviation over numbers so large that it runs over.
 * @throws as `checkAggregate` does
 */
export function compileAggregateSql(
  aggregate: Aggregate,
  layout: Layout,
  dialect: SqlDialect,
  { order, column = (name) => identifier(name) }: AggregateSqlOptions,
): SqlFragment {
  checkAggregate(aggregate, layout);
  const { function: name, input, weight } = aggregate;
  if (input === undefined) return sqlText("count(*)");
  const compilerOf = (expression: Expression): SqlCompiler =>
    new SqlCompiler(checkedTypes(expression, layout, { allowPrevious: false }), dialects[dialect], column);
  const value = compilerOf(input).settled(input);
  const { asDouble, finite } = dialects[dialect];
  switch (name) {
    case "count":
      return sql`count(${value})`;
    case "min":
    case "max":
      return sql`${sqlText(name)}(${value})`;
    case "sum":
      return finite(sql`sum(${asDouble(value)})`);
    case "mean":
      return finite(sql`avg(${asDouble(value)})`);
    case "weightedMean": {
      const by = compilerOf(weight!).settled(weight!);
      const [one, two] = [asDouble(value), asDouble(by)];
      const total = sql`nullif(sum(CASE WHEN ${value} IS NOT NULL THEN ${two} END), 0)`;
      return finite(sql`(sum(${one} * ${two}) / ${total})`);
    }
  }
  if (dialect === "sqlite") throw fail("expression_type", { where: name, problem: "SQLite cannot compute it" });
  if (name === "standardDeviation") return sql`stddev_pop(${asDouble(value)})`;
  const pick = sqlText(name === "first" ? "arg_min" : "arg_max");
  return sql`${pick}(${value}, ${order}) FILTER (WHERE ${value} IS NOT NULL)`;
}
