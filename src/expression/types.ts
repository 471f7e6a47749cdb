/**
 * The expression tree: plain JSON data, never a closure. The same tree compiles to JavaScript for the live path and to
 * SQL for each engine, and must give the same answer on all of them.
 *
 * Semantics that every compiler keeps:
 * - SQL three-valued logic: `and`, `or`, `not` over true, false, null; any comparison or arithmetic with null is null.
 * - Numbers are doubles. Arithmetic that would give NaN or an infinity, and division by zero, gives null.
 *   `integer`, `instant` and `duration` are doubles that hold whole numbers.
 *   Zero has no sign. A remainder has the sign of the dividend. `round(x, digits)` takes halves away from zero and is
 *   `r(x × 10^digits) / 10^digits`; digits (0 to 12), the width of `truncate` and the separator of `before` are literals.
 * - `if` takes its second branch where the condition is false or null.
 * - Text compares by code point. `lower` and `upper` change ASCII letters only. `length` counts code points.
 * - Decimal is exact; it compares by value with decimals, never passes through a float, and
 *   takes no arithmetic. Json knows `eq`, `ne` and null only, on its canonical text.
 */
import type { ValueType } from "../batch/index.ts";

export type Expression =
  | { readonly op: "field"; readonly name: string }
  /** The value of a field in the newest accepted row of the same key before this one; null where there is none. */
  | { readonly op: "previous"; readonly name: string }
  | { readonly op: "literal"; readonly type: ValueType; readonly value: number | string | boolean | null }
  | { readonly op: BinaryOperator; readonly left: Expression; readonly right: Expression }
  | { readonly op: "and" | "or"; readonly terms: readonly Expression[] }
  | { readonly op: "in"; readonly value: Expression; readonly options: readonly Expression[] }
  | { readonly op: "call"; readonly function: FunctionName; readonly arguments: readonly Expression[] };

export type ArithmeticOperator = "add" | "subtract" | "multiply" | "divide" | "remainder";
export type ComparisonOperator = "eq" | "ne" | "lt" | "lte" | "gt" | "gte";
export type BinaryOperator = ArithmeticOperator | ComparisonOperator;

/** `isNull`, `coalesce` and `if` are the only functions that look at null; all others give null for a null argument. */
export type FunctionName =
  | "not"
  | "negate"
  | "isNull"
  | "coalesce"
  | "if"
  | "abs"
  | "round"
  | "floor"
  | "ceiling"
  | "least"
  | "greatest"
  | "length"
  | "lower"
  | "upper"
  | "concat"
  | "startsWith"
  | "endsWith"
  | "contains"
  /** `before(text, separator)`: the text up to the first occurrence of the separator; the whole text without one. */
  | "before"
  /** `truncate(instant, duration)`: the start of the tumbling window an instant lies in. */
  | "truncate";

export interface ExpressionType {
  readonly type: ValueType;
  readonly nullable: boolean;
}

/** Folds over many rows. Null inputs are skipped; over no rows all but `count` give null. */
export type AggregateFunction =
  /** By event time, then by log order. */
  | "first"
  | "last"
  | "min"
  | "max"
  | "sum"
  | "mean"
  /** Rows where the input is not null; all rows where there is no input. */
  | "count"
  /** sum(input × weight) / sum(weight); null where the weights sum to zero. */
  | "weightedMean"
  /** Population standard deviation. */
  | "standardDeviation";

export interface Aggregate {
  readonly function: AggregateFunction;
  readonly input?: Expression;
  readonly weight?: Expression;
}
