/** The check every expression passes before it is compiled: shape and size, then types against a layout. */
import { fail } from "../base/index.ts";
import type { Layout } from "../batch/index.ts";
import { checkShape } from "./shape.ts";
import { children, previousInputs, withChildren } from "./tree.ts";
import type { Aggregate, Expression, ExpressionType } from "./types.ts";
import { analyse, isNumber, type Typed, type Where, whereByText } from "./typing.ts";

/** What the columns are called and hold; the place of a field in it is its column in a batch. */
export type Schema = Layout;

export interface CheckOptions {
  /** Whether `previous(…)` may be used; default true. It has a meaning only where rows are judged one by one. */
  readonly allowPrevious?: boolean;
}

/**
 * Checks an expression of any origin, also one out of JSON.
 * @throws `expression_invalid` (not a tree), `expression_too_large`, `expression_type`
 */
export function checkExpression(expression: unknown, schema: Schema, options: CheckOptions = {}): ExpressionType {
  checkShape(expression);
  const { type, nullable } = checkedTypes(expression, schema, options).get(expression)!;
  return { type, nullable };
}

/** Like `checkExpression`, and gives a copy of its own, which the sender can no longer change. */
export function expressionFromJson(given: unknown, schema: Schema, options: CheckOptions = {}): Expression {
  checkShape(given);
  const copied = copyOf(given);
  checkedTypes(copied, schema, options);
  return copied;
}

function copyOf(node: Expression): Expression {
  const copied = { ...withChildren(node, children(node).map(copyOf)) };
  if (copied.op === "literal" && typeof copied.value === "number") return { ...copied, value: copied.value + 0 };
  return copied;
}

export function checkedTypes(
  expression: Expression,
  schema: Schema,
  { allowPrevious = true }: CheckOptions,
  where: Where = whereByText,
): ReadonlyMap<Expression, Typed> {
  checkShape(expression);
  if (!allowPrevious && previousInputs(expression).size > 0) {
    throw fail("expression_type", {
      where: where(expression),
      problem: "previous, change and elapsed work only in rules over a series, where each row has one before it",
    });
  }
  return analyse(expression, schema, where);
}

/** @throws `expression_type` unless it is a boolean expression */
export function checkCondition(expression: Expression, schema: Schema, options: CheckOptions = {}) {
  const types = checkedTypes(expression, schema, options);
  const { type } = types.get(expression)!;
  if (type !== "boolean") {
    throw fail("expression_type", { where: whereByText(expression), problem: `a condition is expected, not ${type}` });
  }
  return types;
}

const aggregateKeys = ["function", "input", "weight"];

/** @throws as `checkExpression` does */
export function checkAggregate(given: unknown, schema: Schema): ExpressionType {
  if (typeof given !== "object" || given === null) throw notAggregate("something else");
  const extra = Reflect.ownKeys(given).find((key) => !aggregateKeys.includes(key as string));
  if (extra !== undefined) throw notAggregate(`the unknown key '${String(extra)}'`);
  const aggregate = given as Aggregate;
  const part = (expression: Expression | undefined): ExpressionType | undefined =>
    expression === undefined ? undefined : checkExpression(expression, schema, { allowPrevious: false });
  const input = part(aggregate.input);
  const weight = part(aggregate.weight);
  const refuse = (problem: string) => fail("expression_type", { where: String(aggregate.function), problem });
  if ((weight !== undefined) !== (aggregate.function === "weightedMean")) {
    throw refuse("weightedMean takes a weight, nothing else does");
  }
  if (input === undefined) {
    if (aggregate.function === "count") return { type: "integer", nullable: false };
    throw refuse("an expression to work on is missing");
  }
  switch (aggregate.function) {
    case "count":
      return { type: "integer", nullable: false };
    case "first":
    case "last":
      return { type: input.type, nullable: true };
    case "min":
    case "max":
      if (["boolean", "json", "decimal"].includes(input.type)) throw refuse(`it does not work on ${input.type}`);
      return { type: input.type, nullable: true };
    case "sum":
      if (!isNumber(input.type) && input.type !== "duration") throw refuse(`it does not work on ${input.type}`);
      return { type: input.type, nullable: true };
    case "mean":
    case "standardDeviation":
    case "weightedMean":
      if (!isNumber(input.type) || (weight !== undefined && !isNumber(weight.type))) {
        throw refuse("it works on numbers only");
      }
      return { type: "float", nullable: true };
    default:
      throw notAggregate("an unknown function");
  }
}

const notAggregate = (found: string) =>
  fail("expression_invalid", { where: "$.function", found, expected: "an aggregate such as sum or mean" });
