/** SQLite: numbers are bound as REAL, booleans are 0 and 1, NaN is NULL already. */
import { complements, type Dialect } from "./dialect.ts";
import { isAtom, joinSql, sql, sqlText } from "./fragment.ts";

const asterisk = sqlText("'*'");

export const sqlite: Dialect = {
  integerLiterals: false,
  literal: (_, value) => {
    if (value === null) return sqlText("NULL");
    return typeof value === "boolean" ? sqlText(value ? "TRUE" : "FALSE") : sql`${value}`;
  },
  asDouble: (value) => sql`CAST(${value} AS REAL)`,
  finite: (value) => sql`nullif(nullif(${value}, 9e999), -9e999)`,
  once: (value, use) =>
    isAtom(value) ? use(value) : sql`(SELECT ${use(sqlText("once"))} FROM (SELECT ${value} AS once))`,
  remainder: (left, right) => sql`mod(${left}, ${right})`,
  // Its own round takes the largest double below one half up.
  round: (value) => sqlite.once(value, (x) => sql`CASE WHEN abs(${x}) < 0.5 THEN 0.0 ELSE round(${x}) END`),
  extreme: (which, values) => sql`${sqlText(which === "least" ? "min" : "max")}(${joinSql(values)})`,
  lower: (text) => sql`lower(${text})`,
  upper: (text) => sql`upper(${text})`,
  startsWith: (text, part) => sql`(instr(${text}, ${part}) = 1)`,
  contains: (text, part) => sql`(instr(${text}, ${part}) > 0)`,
  endsWith: (text, part, literal) => {
    if (literal === "") return sql`(length(${text}) >= 0)`;
    if (literal !== undefined) return sql`(substr(${text}, ${sqlText(String(-[...literal].length))}) = ${part})`;
    const escaped = sql`replace(replace(replace(${part}, '[', '[[]'), '*', '[*]'), '?', '[?]')`;
    return sql`(${text} GLOB (${asterisk} || ${escaped}))`;
  },
  before: (text, separator) =>
    sqlite.once(
      text,
      (x) =>
        sql`CASE WHEN instr(${x}, ${separator}) = 0 THEN ${x} ELSE substr(${x}, 1, instr(${x}, ${separator}) - 1) END`,
    ),
  complement: (digits) =>
    [...complements].reduce(
      (made, letter, digit) => sql`replace(${made}, ${sqlText(`'${digit}', '${letter}'`)})`,
      digits,
    ),
};
