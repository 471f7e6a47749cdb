/**
 * Room `expression`: the one language of rules, filters, policies, derived fields and windows. Its promise: a checked
 * expression compiles everywhere, gives equal answers everywhere, names the exact fields it reads, and can be said in
 * plain English.
 */
export * from "./aggregates.ts";
export * from "./build.ts";
export { type CheckOptions, checkAggregate, checkExpression, expressionFromJson, type Schema } from "./check.ts";
export { describe, describeAggregate } from "./describe.ts";
export { type ExpressionRow, evaluate } from "./evaluate.ts";
export { formatExpression } from "./format.ts";
export { compileColumn, compileFilter, type Filter } from "./javascript/filter.ts";
export { type CompiledRules, compileRules, type Judge, maximumRules, type PreviousRows } from "./javascript/rules.ts";
export { type AggregateSqlOptions, compileAggregateSql } from "./sql/aggregate.ts";
export { type ColumnOf, compileSql } from "./sql/compile.ts";
export {
  identifier,
  joinSql,
  type RenderedSql,
  renderSql,
  type SqlDialect,
  type SqlFragment,
  sql,
} from "./sql/fragment.ts";
export type * from "./term.ts";
export { parseExpression } from "./text/parser.ts";
export { inputs, previousInputs } from "./tree.ts";
export type * from "./types.ts";
