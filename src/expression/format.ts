/** The text form of a tree: what `parseExpression` reads back to an equal tree. */
import { formatDuration, formatInstant } from "../base/index.ts";
import { type CallNode, isBinary, type LiteralNode } from "./tree.ts";
import type { BinaryOperator, Expression } from "./types.ts";

export const operatorTexts: Readonly<Record<BinaryOperator, string>> = {
  add: "+",
  subtract: "-",
  multiply: "*",
  divide: "/",
  remainder: "%",
  eq: "=",
  ne: "<>",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
};

/** Words with a meaning of their own: a field of such a name is written in double quotes. */
export const keywords: ReadonlySet<string> = new Set(
  "and or not in is null true false between interval instant decimal json previous change elapsed".split(" "),
);

/** How tightly each form binds; an operand that binds less tightly is put in parentheses. */
const tightness = { or: 1, and: 2, not: 3, comparison: 4, add: 5, multiply: 6, negate: 7, atom: 8 } as const;

export function formatExpression(expression: Expression): string {
  return textOf(expression, 0);
}

/** A list of one term is that term. */
const unwrapped = (node: Expression): Expression =>
  (node.op === "and" || node.op === "or") && node.terms.length === 1 ? unwrapped(node.terms[0]!) : node;

function textOf(given: Expression, least: number): string {
  const node = unwrapped(given);
  const own = tightnessOf(node);
  const text = bare(node, own);
  return own < least ? `(${text})` : text;
}

function tightnessOf(node: Expression): number {
  switch (node.op) {
    case "field":
    case "previous":
    case "literal":
      return tightness.atom;
    case "and":
    case "or":
      return tightness[node.op];
    case "in":
      return tightness.comparison;
    case "call":
      if (node.function === "not")
        return isWrittenInfix(node.arguments[0] && unwrapped(node.arguments[0])) ? tightness.comparison : tightness.not;
      if (node.function === "isNull") return tightness.comparison;
      return node.function === "negate" ? tightness.negate : tightness.atom;
    case "add":
    case "subtract":
      return tightness.add;
    case "multiply":
    case "divide":
    case "remainder":
      return tightness.multiply;
    default:
      return tightness.comparison;
  }
}

/** `x is not null` and `x not in (…)` instead of a leading `not`. */
const isWrittenInfix = (node: Expression | undefined): boolean =>
  node?.op === "in" || (node?.op === "call" && node.function === "isNull");

function bare(node: Expression, own: number): string {
  switch (node.op) {
    case "field":
      return formatIdentifier(node.name);
    case "previous":
      return `previous(${formatIdentifier(node.name)})`;
    case "literal":
      return formatLiteral(node);
    case "and":
    case "or":
      return node.terms.map((term) => textOf(term, own + 1)).join(` ${node.op} `);
    case "in":
      return membership(node.value, "in", node.options);
    case "call":
      return callText(node);
    default: {
      if (!isBinary(node)) return "";
      const left = textOf(node.left, own === tightness.comparison ? own + 1 : own);
      return `${left} ${operatorTexts[node.op]} ${textOf(node.right, own + 1)}`;
    }
  }
}

function membership(value: Expression, word: string, options: readonly Expression[]): string {
  return `${textOf(value, tightness.add)} ${word} (${options.map((option) => textOf(option, 0)).join(", ")})`;
}

function callText(node: CallNode): string {
  const first = node.arguments[0] && unwrapped(node.arguments[0]);
  if (node.arguments.length === 1 && first) {
    if (node.function === "isNull") return `${textOf(first, tightness.add)} is null`;
    if (node.function === "negate") return `-${first.op === "field" ? textOf(first, 0) : `(${textOf(first, 0)})`}`;
    if (node.function === "not") {
      if (first.op === "in") return membership(first.value, "not in", first.options);
      if (isWrittenInfix(first)) return `${textOf((first as CallNode).arguments[0]!, tightness.add)} is not null`;
      return `not ${textOf(first, tightness.not)}`;
    }
  }
  return `${node.function}(${node.arguments.map((part) => textOf(part, 0)).join(", ")})`;
}

export function formatIdentifier(name: string): string {
  const plain = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !keywords.has(name.toLowerCase());
  return plain ? name : `"${name.replaceAll('"', '""')}"`;
}

export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export function formatLiteral({ type, value }: LiteralNode): string {
  if (value === null) return `null(${type})`;
  switch (type) {
    case "text":
      return quoted(String(value));
    case "decimal":
    case "json":
      return `${type} ${quoted(String(value))}`;
    case "instant":
      return `instant ${quoted(Number.isSafeInteger(value) ? formatInstant(value as number) : String(value))}`;
    case "duration":
      return `interval ${quoted(formatDuration(value as number))}`;
    case "float": {
      const text = String(value);
      return /^-?\d+$/.test(text) ? `${text}.0` : text;
    }
    default:
      return String(value);
  }
}
