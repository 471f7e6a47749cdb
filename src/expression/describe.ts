/** Expressions in plain English, for people who judge a rule or a proposal without reading code. */
import { formatDuration, formatInstant } from "../base/index.ts";
import { type BinaryNode, type CallNode, isBinary, type LiteralNode } from "./tree.ts";
import type { Aggregate, Expression } from "./types.ts";

export function describe(expression: Expression): string {
  return sentence(expression);
}

export function describeAggregate({ function: name, input, weight }: Aggregate): string {
  if (input === undefined) return "the number of rows";
  const over = sentence(input);
  switch (name) {
    case "count":
      return `the number of rows with ${over}`;
    case "first":
    case "last":
      return `the ${name} ${over}`;
    case "min":
      return `the lowest ${over}`;
    case "max":
      return `the highest ${over}`;
    case "sum":
      return `the sum of ${over}`;
    case "mean":
      return `the mean of ${over}`;
    case "weightedMean":
      return `the mean of ${over} weighted by ${weight ? sentence(weight) : "nothing"}`;
    case "standardDeviation":
      return `the standard deviation of ${over}`;
  }
}

const comparisonWords = {
  eq: "is",
  ne: "is not",
  lt: "is less than",
  lte: "is at most",
  gt: "is greater than",
  gte: "is at least",
} as const;

const opposites = { eq: "ne", ne: "eq", lt: "gte", lte: "gt", gt: "lte", gte: "lt" } as const;

const arithmeticWords = {
  add: "plus",
  subtract: "minus",
  multiply: "times",
  divide: "divided by",
  remainder: "modulo",
} as const;

function sentence(node: Expression): string {
  switch (node.op) {
    case "field":
      return node.name;
    case "previous":
      return `the previous ${node.name}`;
    case "literal":
      return literalWords(node);
    case "and":
    case "or":
      return node.terms.map(joined).join(` ${node.op} `);
    case "in":
      return `${operand(node.value)} is one of ${list(node.options)}`;
    case "call":
      return callWords(node);
    default:
      return isBinary(node) ? binaryWords(node) : "";
  }
}

/** An operand: in parentheses where it is several words that could be read the wrong way. */
function operand(node: Expression): string {
  const compound = node.op === "and" || node.op === "or" || node.op === "in" || (isBinary(node) && !isChange(node));
  const test =
    node.op === "call" && ["not", "isNull", "startsWith", "endsWith", "contains", "if"].includes(node.function);
  return compound || test ? `(${sentence(node)})` : sentence(node);
}

const joined = (node: Expression): string =>
  node.op === "and" || node.op === "or" ? `(${sentence(node)})` : sentence(node);

const list = (nodes: readonly Expression[]): string => nodes.map(operand).join(", ");

function isChange(node: Expression): node is BinaryNode & { left: { op: "field"; name: string } } {
  return (
    node.op === "subtract" &&
    node.left.op === "field" &&
    node.right.op === "previous" &&
    node.left.name === node.right.name
  );
}

function binaryWords(node: BinaryNode): string {
  if (isChange(node)) return `the change of ${node.left.name}`;
  const words = { ...comparisonWords, ...arithmeticWords }[node.op];
  return `${operand(node.left)} ${words} ${operand(node.right)}`;
}

function callWords(node: CallNode): string {
  const [first, second, third] = node.arguments as [Expression, Expression, Expression];
  switch (node.function) {
    case "not":
      return negation(first);
    case "negate":
      return `the negative of ${operand(first)}`;
    case "isNull":
      return `${operand(first)} is missing`;
    case "coalesce":
      return `the first present of ${list(node.arguments)}`;
    case "if":
      return `${operand(second)} if ${operand(first)}, otherwise ${operand(third)}`;
    case "abs":
      return `the absolute ${isChange(first) ? sentence(first).slice(4) : `value of ${operand(first)}`}`;
    case "round":
      return `${operand(first)} rounded${second ? ` to ${sentence(second)} digits` : ""}`;
    case "floor":
      return `${operand(first)} rounded down`;
    case "ceiling":
      return `${operand(first)} rounded up`;
    case "least":
      return `the least of ${list(node.arguments)}`;
    case "greatest":
      return `the greatest of ${list(node.arguments)}`;
    case "length":
      return `the length of ${operand(first)}`;
    case "lower":
      return `${operand(first)} in lower case`;
    case "upper":
      return `${operand(first)} in upper case`;
    case "concat":
      return node.arguments.map(operand).join(" followed by ");
    case "startsWith":
      return `${operand(first)} starts with ${operand(second)}`;
    case "endsWith":
      return `${operand(first)} ends with ${operand(second)}`;
    case "contains":
      return `${operand(first)} contains ${operand(second)}`;
    case "before":
      return `the part of ${operand(first)} before ${operand(second)}`;
    case "truncate":
      return `the start of the ${sentence(second)} window of ${operand(first)}`;
  }
}

function negation(node: Expression): string {
  if (node.op === "in") return `${operand(node.value)} is none of ${list(node.options)}`;
  if (node.op === "call" && node.function === "isNull") return `${operand(node.arguments[0]!)} is present`;
  if (isBinary(node) && Object.hasOwn(opposites, node.op)) {
    return binaryWords({ ...node, op: opposites[node.op as keyof typeof opposites] });
  }
  return `not (${sentence(node)})`;
}

function literalWords({ type, value }: LiteralNode): string {
  if (value === null) return "nothing";
  if (type === "instant") return formatInstant(value as number);
  if (type === "duration") return formatDuration(value as number);
  return typeof value === "string" && type !== "decimal" ? `'${value}'` : String(value);
}
