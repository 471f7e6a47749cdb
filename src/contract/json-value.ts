/** What a JSON value must be before it may become canonical text: looked at without recursion, within bounds. */
import type { ErrorCode, ErrorDetails } from "../base/index.ts";
import { forbiddenNames } from "./declaration.ts";
import { exactDigits } from "./exact.ts";
import { storable } from "./text-checks.ts";

/** Levels of nesting of a row, the row itself being the first. */
export const DEEPEST = 64;

interface Problem {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}

export interface JsonFinding {
  /** The first thing that canonical JSON cannot hold. */
  readonly problem?: Problem;
  /** Some number stands as its digits and has to become the nearest double. */
  readonly exact: boolean;
}

const finding = (code: ErrorCode, details: ErrorDetails = {}): JsonFinding => ({
  problem: { code, details },
  exact: false,
});

/**
 * Looks through a value. A node takes at least one character of text, so a value of more nodes than the length limit
 * is too long; that also ends the walk through a value that contains itself.
 */
export function jsonProblem(root: unknown, limit: number): JsonFinding {
  const waiting: unknown[] = [root];
  // The row around the field is the first level.
  const depths: number[] = [2];
  let exact = false;
  let nodes = 1;
  while (waiting.length > 0) {
    const value = waiting.pop();
    const depth = depths.pop()!;
    const problem = nodeProblem(value);
    if (problem !== undefined) return { problem, exact };
    if (typeof value !== "object" || value === null) continue;
    if (exactDigits(value) !== undefined) {
      exact = true;
      continue;
    }
    if (depth > DEEPEST) return finding("row_too_deep", { limit: DEEPEST });
    const parts: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
    nodes += parts.length;
    if (nodes > limit) return finding("value_too_long", { limit });
    for (const part of parts) {
      waiting.push(part);
      depths.push(depth + 1);
    }
  }
  return { exact };
}

function nodeProblem(value: unknown): Problem | undefined {
  switch (typeof value) {
    case "string":
      return storable(value) ? undefined : { code: "value_not_unicode", details: {} };
    case "number":
      return Number.isFinite(value) ? undefined : { code: "value_not_finite", details: {} };
    case "boolean":
      return undefined;
    case "object":
      return value === null || Array.isArray(value) ? undefined : objectProblem(value);
    default:
      return notJson(`a ${typeof value}`);
  }
}

function objectProblem(value: object): Problem | undefined {
  const digits = exactDigits(value);
  if (digits !== undefined) {
    if (!/^-?\d+$/.test(digits)) return undefined;
    return { code: "value_out_of_range", details: { range: "±(2^53 − 1); send larger numbers as text" } };
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return notJson("an object of a class");
  for (const name of Object.keys(value)) {
    if (forbiddenNames.has(name)) return { code: "field_forbidden_name", details: {} };
    if (!storable(name)) return { code: "value_not_unicode", details: {} };
  }
  return undefined;
}

const notJson = (actual: string): Problem => ({
  code: "value_wrong_type",
  details: { expected: "a JSON value", actual },
});
