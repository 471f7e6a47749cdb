/** Plain values as literals of a type: what a builder argument, or a literal beside a typed operand, stands for. */
import { fail, formatDecimal, parseDecimal, parseDuration, parseInstant } from "../base/index.ts";
import type { Value, ValueType } from "../batch/index.ts";
import type { LiteralNode } from "./tree.ts";

export const makeLiteral = (type: ValueType, value: Value): LiteralNode => ({ op: "literal", type, value });

/** The type a plain value has by itself. */
export function naturalType(value: Value): ValueType {
  if (typeof value === "number") return Number.isSafeInteger(value) ? "integer" : "float";
  return typeof value === "boolean" ? "boolean" : "text";
}

/**
 * Reads a plain value as the given type: text as instant, duration or decimal; a whole number as decimal.
 * @throws `expression_type`
 */
export function literalOf(value: Value, type: ValueType): LiteralNode {
  if (value === null) return makeLiteral(type, null);
  const read = readAs(value, type);
  if (read === undefined) {
    throw fail("expression_type", { where: "a literal", problem: `a ${typeof value} is no ${type}: ${wanted(type)}` });
  }
  return read;
}

function readAs(value: number | string | boolean, type: ValueType): LiteralNode | undefined {
  switch (type) {
    case "float":
    case "integer":
      return typeof value === "number" && Number.isFinite(value)
        ? makeLiteral(naturalType(value), value + 0)
        : undefined;
    case "boolean":
      return typeof value === "boolean" ? makeLiteral(type, value) : undefined;
    case "text":
    case "json":
      return typeof value === "string" ? makeLiteral(type, value) : undefined;
    case "instant":
      return wholeNumber(type, typeof value === "string" ? parseInstant(value) : value);
    case "duration":
      return wholeNumber(type, typeof value === "string" ? signedDuration(value) : value);
    case "decimal":
      return decimalLiteral(value);
  }
}

function wholeNumber(type: ValueType, value: Value | undefined): LiteralNode | undefined {
  return Number.isSafeInteger(value) ? makeLiteral(type, (value as number) + 0) : undefined;
}

function signedDuration(text: string): number | undefined {
  try {
    return text.startsWith("-") ? -parseDuration(text.slice(1)) : parseDuration(text);
  } catch {
    return undefined;
  }
}

function decimalLiteral(value: number | string | boolean): LiteralNode | undefined {
  if (typeof value === "boolean" || (typeof value === "number" && !Number.isSafeInteger(value))) return undefined;
  try {
    return makeLiteral("decimal", formatDecimal(parseDecimal(String(value))));
  } catch {
    return undefined;
  }
}

function wanted(type: ValueType): string {
  switch (type) {
    case "instant":
      return "write it like '2026-01-31T09:00:00Z' or as integer microseconds";
    case "duration":
      return "write it like '5s' or as integer microseconds";
    case "decimal":
      return "write it as text like '12.50'";
    default:
      return `give a ${type} value`;
  }
}

/** Why a literal of a tree does not hold a value of its type, or undefined where it does. */
export function literalProblem({ type, value }: LiteralNode): string | undefined {
  if (value === null) return undefined;
  switch (type) {
    case "boolean":
      return typeof value === "boolean" ? undefined : "the literal is not true or false";
    case "float":
      return Number.isFinite(value) ? undefined : "the literal is not a finite number";
    case "integer":
    case "instant":
    case "duration":
      return Number.isSafeInteger(value) ? undefined : "the literal is not an integer within ±2^53";
    case "text":
      return typeof value === "string" && isStorableText(value)
        ? undefined
        : "the literal is not text, or holds a NUL or a broken surrogate pair";
    case "decimal":
      return typeof value === "string" && decimalLiteral(value)?.value === value
        ? undefined
        : "the literal is not a decimal in canonical form (no exponent, no zeros at the end)";
    case "json":
      return typeof value === "string" && isStorableText(value) && isJson(value)
        ? undefined
        : "the literal is not JSON text";
  }
}

const isStorableText = (text: string): boolean => text.isWellFormed() && !text.includes("\u0000");

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
