/**
 * The one meaning of "this value fits this field": the reference that both fast paths (rows and columns) fall back to
 * whenever a value is not plainly fine, so that they cannot disagree with it or with each other. A problem tells the
 * shape of the value, never the value.
 */
import canonicalize from "canonicalize";
import { type ErrorCode, type ErrorDetails, formatDecimal, parseDecimal, parseInstant } from "../base/index.ts";
import type { Value } from "../batch/index.ts";
import { exactDigits, significantDigits, withoutExponent } from "./exact.ts";
import { lengthLimit } from "./fields.ts";
import { jsonProblem } from "./json-value.ts";
import { longerThan, storable } from "./text-checks.ts";
import type { Field } from "./types.ts";

export interface CellProblem {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}

/** What a value becomes in a batch, or why it cannot. */
export type DecodedCell = { readonly cell: Value } | { readonly problem: CellProblem };

const problem = (code: ErrorCode, details: ErrorDetails = {}): DecodedCell => ({ problem: { code, details } });
const wrongType = (expected: string, actual: string): DecodedCell => problem("value_wrong_type", { expected, actual });
const outOfRange = (range: string): DecodedCell => problem("value_out_of_range", { range });

const expectations = {
  boolean: "true or false",
  integer: "a whole number",
  float: "a number",
  decimal: "a decimal number as text",
  text: "text",
  instant: "an instant",
  duration: "a whole number of microseconds",
  json: "a JSON value",
} as const;

/** Decodes a value out of JSON or out of a caller's object. Equal values give equal cells. */
export function decodeCell(field: Field, value: unknown): DecodedCell {
  if (value === null || value === undefined) return field.nullable ? { cell: null } : problem("field_missing");
  switch (field.type) {
    case "float":
    case "integer":
    case "duration":
      return decodeNumber(field, value);
    case "instant":
      return decodeInstant(value);
    case "boolean":
      return typeof value === "boolean" ? { cell: value } : wrongType(expectations.boolean, kindOf(value));
    case "text":
      return typeof value === "string" ? decodeText(field, value) : wrongType(expectations.text, kindOf(value));
    case "decimal":
      return decodeDecimal(field, value);
    case "json":
      return decodeJson(field, value);
  }
}

/** Decodes a cell of a text column from outside, where json stands as JSON text. */
export function decodeTextCell(field: Field, text: string): DecodedCell {
  if (field.type !== "json") return decodeCell(field, text);
  const limit = lengthLimit(field);
  if (text.length > limit * 6) return problem("value_too_long", { limit });
  try {
    const value: unknown = JSON.parse(text);
    return value === null ? wrongType(expectations.json, "null as text") : decodeJson(field, value);
  } catch {
    return wrongType(expectations.json, "text that is not JSON");
  }
}

export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "a list";
  if (exactDigits(value) !== undefined) return "a number";
  switch (typeof value) {
    case "string":
      return "text";
    case "number":
      return "a number";
    case "boolean":
      return "true or false";
    case "object":
      return "an object";
    default:
      return `a ${typeof value}`;
  }
}

function decodeNumber(field: Field, value: unknown): DecodedCell {
  const digits = exactDigits(value);
  const number = digits === undefined ? value : Number(digits);
  if (typeof number !== "number") return wrongType(expectations[field.type], kindOf(value));
  if (!Number.isFinite(number)) return problem("value_not_finite");
  if (field.type !== "float") {
    const fraction = digits === undefined ? !Number.isInteger(number) : !/^-?\d+$/.test(digits);
    if (fraction) return wrongType(expectations[field.type], "a fraction");
    if (!Number.isSafeInteger(number)) return outOfRange("±(2^53 − 1)");
  }
  const { minimum, maximum } = field;
  if (number < (minimum ?? number) || number > (maximum ?? number)) {
    return outOfRange(`${minimum ?? "any"} to ${maximum ?? "any"}`);
  }
  return { cell: number + 0 };
}

function decodeInstant(value: unknown): DecodedCell {
  const digits = exactDigits(value);
  if (digits !== undefined) return /^-?\d+$/.test(digits) ? outOfRange("±(2^53 − 1)") : problem("value_not_instant");
  if (typeof value === "number" && !Number.isFinite(value)) return problem("value_not_finite");
  const micros = typeof value === "string" && value.length <= 64 ? parseInstant(value) : value;
  if (typeof micros !== "number" || !Number.isInteger(micros)) return problem("value_not_instant");
  return Number.isSafeInteger(micros) ? { cell: micros + 0 } : outOfRange("the years 1685 to 2254");
}

function decodeText(field: Field, value: string): DecodedCell {
  const limit = lengthLimit(field);
  if (longerThan(value, limit)) return problem("value_too_long", { limit });
  if (!storable(value)) return problem("value_not_unicode");
  if (field.options !== undefined && !field.options.includes(value)) return problem("value_not_listed");
  return { cell: value };
}

function decodeDecimal(field: Field, value: unknown): DecodedCell {
  const text = decimalText(value);
  if (typeof text !== "string") return text;
  const scale = field.scale ?? 38;
  try {
    const parsed = parseDecimal(text);
    if (parsed.scale > scale) return outOfRange(`at most ${scale} digits after the point`);
    return { cell: formatDecimal(parsed) };
  } catch {
    return wrongType("a decimal number of at most 38 digits", "something else");
  }
}

function decimalText(value: unknown): string | DecodedCell {
  if (typeof value === "string") return value;
  const digits = exactDigits(value);
  if (digits === undefined) {
    if (typeof value !== "number") return wrongType(expectations.decimal, kindOf(value));
    if (!Number.isFinite(value)) return problem("value_not_finite");
    if (Number.isInteger(value) ? !Number.isSafeInteger(value) : significantDigits(String(value)) > 15) {
      return wrongType(expectations.decimal, "a number that a double cannot hold exactly");
    }
  }
  return withoutExponent(digits ?? String(value)) ?? outOfRange("38 digits");
}

function decodeJson(field: Field, value: unknown): DecodedCell {
  const limit = lengthLimit(field);
  const found = jsonProblem(value, limit);
  if (found.problem !== undefined) return { problem: found.problem };
  const text = canonicalize(found.exact ? JSON.parse(JSON.stringify(value)) : value);
  if (text === undefined) return wrongType(expectations.json, kindOf(value));
  return longerThan(text, limit) ? problem("value_too_long", { limit }) : { cell: text };
}
