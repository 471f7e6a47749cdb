/**
 * Order as SQL, and what comes behind a cursor in it. Nulls stand behind all values, in descending order before them.
 * Ties are broken by log order, or between groups by the group's own columns, so the order is always total.
 */
import type { Value, ValueType } from "../batch/index.ts";
import { joinSql, type SqlFragment, sql } from "../expression/index.ts";

export interface OrderTerm {
  /** Place among the columns of the inner statement, hidden ones included. */
  readonly column: number;
  readonly type: ValueType;
  readonly nullable: boolean;
  readonly descending: boolean;
  /** What is compared. */
  readonly key: SqlFragment;
}

export function orderSql(terms: readonly OrderTerm[]): SqlFragment {
  const parts = terms.map(({ key, descending }) => {
    return descending ? sql`${key} DESC NULLS FIRST` : sql`${key} ASC NULLS LAST`;
  });
  return joinSql(parts);
}

/** True for rows behind the one with these values: behind in the first term, or equal there and behind in the next. */
export function behindSql(terms: readonly OrderTerm[], values: readonly Value[]): SqlFragment {
  let behind = sql`FALSE`;
  for (let index = terms.length - 1; index >= 0; index--) {
    const term = terms[index]!;
    const value = values[index] ?? null;
    if (value === null) {
      const inner = sql`(${term.key} IS NULL AND ${behind})`;
      behind = term.descending ? sql`(${term.key} IS NOT NULL OR ${inner})` : inner;
      continue;
    }
    const bound = sortKey(term.type, boundSql(term.type, value));
    const equal = sql`(${term.key} = ${bound} AND ${behind})`;
    if (term.descending) behind = sql`(${term.key} < ${bound} OR ${equal})`;
    else if (term.nullable) behind = sql`(${term.key} > ${bound} OR ${term.key} IS NULL OR ${equal})`;
    else behind = sql`(${term.key} > ${bound} OR ${equal})`;
  }
  return behind;
}

function boundSql(type: ValueType, value: Value): SqlFragment {
  switch (type) {
    case "float":
      return sql`CAST(${value} AS DOUBLE)`;
    case "integer":
    case "instant":
    case "duration":
      // Arithmetic on whole numbers gives doubles, which may have a fraction or be beyond 64 bits.
      return Number.isSafeInteger(value) ? sql`CAST(${value} AS BIGINT)` : sql`CAST(${value} AS DOUBLE)`;
    case "boolean":
      return sql`CAST(${value} AS BOOLEAN)`;
    default:
      return sql`CAST(${value} AS VARCHAR)`;
  }
}

/**
 * Decimals are stored as canonical text: its key orders by sign, then by the whole part's length and digits, then by
 * the fraction; for negatives every digit is complemented and the end marked as highest.
 */
export function sortKey(type: ValueType, value: SqlFragment): SqlFragment {
  if (type !== "decimal") return value;
  const digits = sql`ltrim(${value}, '-')`;
  const whole = sql`lpad(split_part(${digits}, '.', 1), 38, '0')`;
  const fraction = sql`split_part(${digits}, '.', 2)`;
  const key = sql`(${whole} || '.' || ${fraction})`;
  const complement = sql`translate(${key}, '0123456789', 'jihgfedcba')`;
  return sql`(CASE WHEN starts_with(${value}, '-') THEN 'n' || ${complement} || '~' ELSE 'p' || ${key} END)`;
}
