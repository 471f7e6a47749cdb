/**
 * Walking trees. A checked tree is at most `limits.depth` deep, so plain recursion over it is safe; whatever comes from
 * outside goes through `shape.ts` first, which does not recurse.
 */
import { unreachable } from "../base/index.ts";
import type { BinaryOperator, Expression, FunctionName } from "./types.ts";

export const limits = { characters: 10_000, depth: 64, nodes: 1_000 } as const;

export const arithmeticOperators = ["add", "subtract", "multiply", "divide", "remainder"] as const;
export const comparisonOperators = ["eq", "ne", "lt", "lte", "gt", "gte"] as const;

export const functionNames = [
  "not",
  "negate",
  "isNull",
  "coalesce",
  "if",
  "abs",
  "round",
  "floor",
  "ceiling",
  "least",
  "greatest",
  "length",
  "lower",
  "upper",
  "concat",
  "startsWith",
  "endsWith",
  "contains",
  "before",
  "truncate",
] as const satisfies readonly FunctionName[];

export type FieldNode = Extract<Expression, { op: "field" | "previous" }>;
export type LiteralNode = Extract<Expression, { op: "literal" }>;
export type BinaryNode = Extract<Expression, { left: Expression }>;
export type CallNode = Extract<Expression, { op: "call" }>;
export type JunctionNode = Extract<Expression, { op: "and" | "or" }>;
export type InNode = Extract<Expression, { op: "in" }>;

export const isBinary = (node: Expression): node is BinaryNode => "left" in node;

export const call = (name: FunctionName, ...operands: readonly Expression[]): Expression => ({
  op: "call",
  function: name,
  arguments: operands,
});

export const binary = (op: BinaryOperator, left: Expression, right: Expression): Expression => ({ op, left, right });

/** A conjunction or disjunction; terms of the same kind are taken in rather than nested. */
export function junction(op: "and" | "or", terms: readonly Expression[]): Expression {
  const flat = terms.flatMap((term) => (term.op === op ? (term as JunctionNode).terms : [term]));
  return flat.length === 1 ? flat[0]! : { op, terms: flat };
}

const none: readonly Expression[] = [];

export function children(node: Expression): readonly Expression[] {
  switch (node.op) {
    case "field":
    case "previous":
    case "literal":
      return none;
    case "and":
    case "or":
      return node.terms;
    case "in":
      return [node.value, ...node.options];
    case "call":
      return node.arguments;
    default:
      return [node.left, node.right];
  }
}

/** The same node over other children, given in the order of `children`. */
export function withChildren(node: Expression, parts: readonly Expression[]): Expression {
  switch (node.op) {
    case "field":
    case "previous":
    case "literal":
      return node;
    case "and":
    case "or":
      return { op: node.op, terms: parts };
    case "in":
      return { op: "in", value: parts[0]!, options: parts.slice(1) };
    case "call":
      return { op: "call", function: node.function, arguments: parts };
    default:
      return isBinary(node) ? { op: node.op, left: parts[0]!, right: parts[1]! } : unreachable(node);
  }
}

/** The names of all fields read, of the row itself or of the one before, each once, in order of appearance. */
export function inputs(expression: Expression): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: Expression): void => {
    if (node.op === "field" || node.op === "previous") names.add(node.name);
    else for (const child of children(node)) visit(child);
  };
  visit(expression);
  return names;
}

/** The names of the fields whose value in the row before is read. */
export function previousInputs(expression: Expression): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: Expression): void => {
    if (node.op === "previous") names.add(node.name);
    else for (const child of children(node)) visit(child);
  };
  visit(expression);
  return names;
}

/** The expression over the row before: each field becomes `previous`. Undefined where it looks back already. */
export function previousOf(node: Expression): Expression | undefined {
  if (node.op === "previous") return undefined;
  if (node.op === "field") return { op: "previous", name: node.name };
  const parts: Expression[] = [];
  for (const child of children(node)) {
    const part = previousOf(child);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return withChildren(node, parts);
}
