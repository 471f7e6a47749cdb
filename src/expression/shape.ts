/**
 * Is an unknown value an expression tree at all? Checked with a stack of its own, never by recursion, and before
 * anything else looks at it: plain objects with exactly the known keys, within the limits of depth and size.
 */
import { fail } from "../base/index.ts";
import { arithmeticOperators, comparisonOperators, functionNames, limits } from "./tree.ts";
import type { Expression } from "./types.ts";

const binaryOperators: readonly string[] = [...arithmeticOperators, ...comparisonOperators];
const functions: readonly string[] = functionNames;
const valueTypes = ["boolean", "integer", "float", "decimal", "text", "instant", "duration", "json"];

const keysByOp: Readonly<Record<string, readonly string[]>> = {
  field: ["name"],
  previous: ["name"],
  literal: ["type", "value"],
  and: ["terms"],
  or: ["terms"],
  in: ["value", "options"],
  call: ["function", "arguments"],
};

interface Pending {
  readonly value: unknown;
  readonly path: string;
  readonly depth: number;
}

/** @throws `expression_invalid` with the path of the fault, `expression_too_large` */
export function checkShape(given: unknown): asserts given is Expression {
  const pending: Pending[] = [{ value: given, path: "$", depth: 1 }];
  let nodes = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    nodes += 1;
    if (nodes > limits.nodes) throw fail("expression_too_large", { problem: `more than ${limits.nodes} parts` });
    if (next.depth > limits.depth) {
      throw fail("expression_too_large", { problem: `nested deeper than ${limits.depth} levels` });
    }
    checkNode(next, pending);
  }
}

function checkNode({ value, path, depth }: Pending, pending: Pending[]): void {
  const node = plainObject(value, path);
  const op = node.op;
  const binary = typeof op === "string" && binaryOperators.includes(op);
  const keys = binary ? ["left", "right"] : typeof op === "string" && Object.hasOwn(keysByOp, op) ? keysByOp[op]! : [];
  if (keys.length === 0) throw invalid(`${path}.op`, "an unknown operation", "a known one");
  const extra = Reflect.ownKeys(node).find((key) => key !== "op" && !keys.includes(key as string));
  if (extra !== undefined)
    throw invalid(path, `the unknown key '${String(extra)}'`, `only ${["op", ...keys].join(", ")}`);
  const missing = keys.find((key) => !Object.hasOwn(node, key));
  if (missing !== undefined) throw invalid(path, "no such key", `the key '${missing}'`);
  const descend = (child: unknown, at: string): void => {
    pending.push({ value: child, path: `${path}.${at}`, depth: depth + 1 });
  };
  const descendAll = (children: unknown, at: string, least: number): void => {
    if (!Array.isArray(children) || children.length < least) {
      throw invalid(`${path}.${at}`, "something else", `a list of at least ${least}`);
    }
    if (children.length > limits.nodes)
      throw fail("expression_too_large", { problem: `more than ${limits.nodes} parts` });
    for (let index = children.length - 1; index >= 0; index--) descend(children[index], `${at}[${index}]`);
  };
  if (binary) {
    descend(node.right, "right");
    descend(node.left, "left");
  } else if (op === "and" || op === "or") descendAll(node.terms, "terms", 1);
  else if (op === "in") {
    descendAll(node.options, "options", 1);
    descend(node.value, "value");
  } else if (op === "call") {
    if (!functions.includes(node.function as string)) {
      throw invalid(`${path}.function`, "an unknown function", `one of ${functions.join(", ")}`);
    }
    descendAll(node.arguments, "arguments", 0);
  } else if (op === "literal") checkLiteral(node, path);
  else if (typeof node.name !== "string") throw invalid(`${path}.name`, "something else", "the name of a field");
}

function checkLiteral(node: Readonly<Record<string, unknown>>, path: string): void {
  if (!valueTypes.includes(node.type as string)) {
    throw invalid(`${path}.type`, "an unknown type", `one of ${valueTypes.join(", ")}`);
  }
  const kind = typeof node.value;
  if (node.value !== null && kind !== "number" && kind !== "string" && kind !== "boolean") {
    throw invalid(`${path}.value`, "something else", "a number, text, true, false or null");
  }
}

function plainObject(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(path, value === null ? "null" : typeof value, "an object with the key 'op'");
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw invalid(path, "an unusual object", "a plain object");
  for (const key of Reflect.ownKeys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (property === undefined || !("value" in property)) throw invalid(path, "a computed key", "plain data");
  }
  return value as Readonly<Record<string, unknown>>;
}

const invalid = (where: string, found: string, expected: string) =>
  fail("expression_invalid", { where, found, expected });
