/** DuckDB: arithmetic on BIGINT would wrap into errors, so it is always done on DOUBLE. */
import type { ValueType } from "../../batch/index.ts";
import { capitals, complements, type Dialect } from "./dialect.ts";
import { isAtom, joinSql, type SqlFragment, sql, sqlText } from "./fragment.ts";

const sqlTypes: Readonly<Record<ValueType, string>> = {
  boolean: "BOOLEAN",
  integer: "BIGINT",
  instant: "BIGINT",
  duration: "BIGINT",
  float: "DOUBLE",
  text: "VARCHAR",
  decimal: "VARCHAR",
  json: "VARCHAR",
};

/** Above this many characters a value is bound by a lambda instead of being written again. */
const REPEAT_LIMIT = 240;

export const duckdb: Dialect = {
  integerLiterals: true,
  literal: (type, value) => {
    if (typeof value === "boolean") return sqlText(value ? "TRUE" : "FALSE");
    return sql`CAST(${value === null ? sqlText("NULL") : value} AS ${sqlText(sqlTypes[type])})`;
  },
  asDouble: (value) => sql`CAST(${value} AS DOUBLE)`,
  // The engine computes a repeated part once; the lambda is slower, but does not grow the statement.
  finite: (value) => {
    const checked = (x: SqlFragment): SqlFragment => sql`CASE WHEN isfinite(${x}) THEN ${x} END`;
    return size(value) <= REPEAT_LIMIT ? sql`(${checked(value)})` : duckdb.once(value, checked);
  },
  once: (value, use) =>
    isAtom(value) ? use(value) : sql`list_transform([${value}], lambda once: ${use(sqlText("once"))})[1]`,
  remainder: (left, right) => sql`(${left} % ${right})`,
  round: (value) => sql`round(${value})`,
  extreme: (which, values) => {
    if (values.every(isAtom)) {
      const missing = joinSql(
        values.map((value) => sql`${value} IS NULL`),
        sqlText(" OR "),
      );
      return sql`CASE WHEN ${missing} THEN NULL ELSE ${sqlText(which)}(${joinSql(values)}) END`;
    }
    const pick = sqlText(which === "least" ? "list_min" : "list_max");
    const picked = sql`lambda all_values: CASE WHEN len(all_values) = list_count(all_values) THEN ${pick}(all_values) END`;
    return sql`list_transform([[${joinSql(values)}]], ${picked})[1]`;
  },
  lower: (text) => sql`translate(${text}, ${sqlText(`'${capitals}', '${capitals.toLowerCase()}'`)})`,
  upper: (text) => sql`translate(${text}, ${sqlText(`'${capitals.toLowerCase()}', '${capitals}'`)})`,
  startsWith: (text, part) => sql`starts_with(${text}, ${part})`,
  endsWith: (text, part) => sql`suffix(${text}, ${part})`,
  contains: (text, part) => sql`contains(${text}, ${part})`,
  before: (text, separator) => sql`split_part(${text}, ${separator}, 1)`,
  complement: (digits) => sql`translate(${digits}, ${sqlText(`'0123456789', '${complements}'`)})`,
};

const size = ({ parts }: SqlFragment): number => parts.reduce((sum, part) => sum + part.length + 2, 0);
