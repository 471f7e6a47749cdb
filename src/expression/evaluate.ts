/**
 * The reference interpreter: one row, one tree, the rules of `types.ts` word by word. Slow and plainly right: it
 * explains single rows to people and is what all compilers are tested against.
 */
import type { Layout, Value } from "../batch/index.ts";
import { checkedTypes } from "./check.ts";
import { type CallNode, children } from "./tree.ts";
import type { Expression } from "./types.ts";
import { digitsOf, type Typed } from "./typing.ts";
import {
  codePointLength,
  compareDecimalText,
  compareText,
  lowerAscii,
  roundAway,
  textBefore,
  upperAscii,
} from "./values.ts";

/** A row by field name; a missing field is null. */
export type ExpressionRow = Readonly<Record<string, Value | undefined>>;

/** @throws as `checkExpression` does */
export function evaluate(
  expression: Expression,
  layout: Layout,
  row: ExpressionRow,
  previousRow?: ExpressionRow,
): Value {
  const types = checkedTypes(expression, layout, {});
  return resultOf(expression, { types, row, previousRow });
}

interface Context {
  readonly types: ReadonlyMap<Expression, Typed>;
  readonly row: ExpressionRow;
  readonly previousRow: ExpressionRow | undefined;
}

function resultOf(node: Expression, context: Context): Value {
  switch (node.op) {
    case "field":
      return cell(context.row, node.name);
    case "previous":
      return context.previousRow === undefined ? null : cell(context.previousRow, node.name);
    case "literal":
      return settled(node.value);
    case "and":
      return all(node.terms.map((term) => resultOf(term, context)));
    case "or":
      return opposite(all(node.terms.map((term) => opposite(resultOf(term, context)))));
    case "in": {
      const [value, ...options] = children(node).map((child) => resultOf(child, context));
      return opposite(all(options.map((option) => opposite(compare("eq", value!, option, "text")))));
    }
    case "call":
      return settled(callOf(node, context));
    case "add":
    case "subtract":
    case "multiply":
    case "divide":
    case "remainder":
      return settled(arithmetic(node.op, resultOf(node.left, context), resultOf(node.right, context)));
    default: {
      const type = context.types.get(node.left)!.type;
      return compare(node.op, resultOf(node.left, context), resultOf(node.right, context), type);
    }
  }
}

const cell = (row: ExpressionRow, name: string): Value => (Object.hasOwn(row, name) ? (row[name] ?? null) : null);

/** Numbers that ran over are null, and zero has no sign. */
const settled = (value: Value): Value =>
  typeof value !== "number" ? value : Number.isFinite(value) ? value + 0 : null;

const opposite = (value: Value): Value => (value === null ? null : !value);

function all(values: readonly Value[]): Value {
  if (values.includes(false)) return false;
  return values.includes(null) ? null : true;
}

function arithmetic(op: string, left: Value, right: Value): Value {
  if (left === null || right === null) return null;
  const [one, two] = [left as number, right as number];
  switch (op) {
    case "add":
      return one + two;
    case "subtract":
      return one - two;
    case "multiply":
      return one * two;
    case "divide":
      return one / two;
    default:
      return one % two;
  }
}

function compare(op: string, left: Value, right: Value, type: string): Value {
  if (left === null || right === null) return null;
  if (op === "eq") return left === right;
  if (op === "ne") return left !== right;
  const order =
    type === "decimal"
      ? compareDecimalText(left as string, right as string)
      : typeof left === "string"
        ? compareText(left, right as string)
        : (left as number) - (right as number);
  return op === "lt" ? order < 0 : op === "lte" ? order <= 0 : op === "gt" ? order > 0 : order >= 0;
}

function callOf(node: CallNode, context: Context): Value {
  const values = node.arguments.map((argument) => resultOf(argument, context));
  const [first = null, second = null] = values;
  if (node.function === "isNull") return first === null;
  if (node.function === "coalesce") return values.find((value) => value !== null) ?? null;
  if (node.function === "if") return first === true ? second : (values[2] ?? null);
  if (values.includes(null)) return null;
  switch (node.function) {
    case "not":
      return !first;
    case "least":
    case "greatest":
      return extreme(node.function, values);
    case "concat":
      return values.join("");
    case "length":
      return codePointLength(first as string);
    case "lower":
      return lowerAscii(first as string);
    case "upper":
      return upperAscii(first as string);
    case "startsWith":
    case "endsWith":
      return (first as string)[node.function](second as string);
    case "before":
      return textBefore(first as string, second as string);
    case "contains":
      return (first as string).includes(second as string);
    default:
      return ofNumber(node, first as number, second as number);
  }
}

function extreme(name: "least" | "greatest", values: readonly Value[]): Value {
  return values.reduce((best, value) => {
    const order = compare("lt", value, best, "") === true;
    return order === (name === "least") ? value : best;
  });
}

function ofNumber(node: CallNode, value: number, second: number): Value {
  switch (node.function) {
    case "negate":
      return -value;
    case "abs":
      return Math.abs(value);
    case "floor":
      return Math.floor(value);
    case "ceiling":
      return Math.ceil(value);
    case "round":
      return Number.isInteger(value) && digitsOf(node) === 0 ? value : roundAway(value, 10 ** digitsOf(node));
    default:
      return Math.floor(value / second) * second;
  }
}
