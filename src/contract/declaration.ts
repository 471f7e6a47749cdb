/**
 * What must hold of every contract, whether a team wrote it in TypeScript or it comes back as JSON: the one place
 * where a declaration is judged.
 */
import { asMillpondError } from "../base/index.ts";
import { checkExpression, type Expression } from "../expression/index.ts";
import { fieldProblem } from "./fields.ts";
import type { Contract, Field, Fields, Rule } from "./types.ts";

/** A batch of judged rows carries one bit a rule in a 32-bit word. */
export const MOST_RULES = 31;
export const MOST_FIELDS = 256;
export const MOST_KEY_FIELDS = 16;
/** About a thousand years, in microseconds: no declared time span is longer. */
const LONGEST_SPAN = 31_536_000_000_000_000;

const NAME = /^[a-z][a-z0-9_]{0,62}$/;
/** Names that mean something to objects themselves; they are refused wherever names come from outside. */
export const forbiddenNames: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

export function nameProblem(name: string, what: string): string | undefined {
  if (forbiddenNames.has(name)) return `'${name}' is never accepted as a name`;
  if (NAME.test(name)) return undefined;
  const shown = name.slice(0, 64).toWellFormed();
  if (name.startsWith("_")) return `the ${what} '${shown}' starts with an underscore, which marks Millpond's own`;
  return `the ${what} '${shown}' is not snake_case (a letter, then letters, digits and _; at most 63)`;
}

/** The first thing that is wrong with a contract, or undefined. */
export function contractProblem(contract: Contract, system: boolean): string | undefined {
  return (
    nameProblem(system ? contract.name.replace(/^_/, "") : contract.name, "name") ??
    fieldsProblem(contract.fields) ??
    keyProblem(contract) ??
    settingsProblem(contract) ??
    rulesProblem(contract)
  );
}

function fieldsProblem(fields: Fields): string | undefined {
  const entries = Object.entries(fields);
  if (entries.length === 0 || entries.length > MOST_FIELDS) return `a dataset has from 1 to ${MOST_FIELDS} fields`;
  for (const [name, field] of entries) {
    const problem = namedFieldProblem(name, field);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

export function namedFieldProblem(name: string, field: Field): string | undefined {
  const naming = nameProblem(name, "field name");
  if (naming !== undefined) return naming;
  const problem = fieldProblem(field);
  return problem === undefined ? undefined : `field '${name}': ${problem}`;
}

function keyProblem({ fields, key, time }: Contract): string | undefined {
  if (key.length === 0 || key.length > MOST_KEY_FIELDS) return `a key has from 1 to ${MOST_KEY_FIELDS} fields`;
  if (new Set(key).size !== key.length) return "a field stands twice in the key";
  for (const name of key) {
    const field = declared(fields, name);
    if (field === undefined) return `the key field '${name}' is not declared`;
    if (field.nullable) return `the key field '${name}' may not be optional`;
    if (field.type === "json" || field.type === "float") return `the key field '${name}' may not be a ${field.type}`;
  }
  const moment = declared(fields, time);
  if (moment === undefined) return `the time field '${time}' is not declared`;
  if (moment.type !== "instant") return `the time field '${time}' is a ${moment.type}, not an instant`;
  if (moment.nullable) return `the time field '${time}' may not be optional`;
  return key.includes(time) ? `the time field '${time}' identifies rows already; leave it out of the key` : undefined;
}

function declared(fields: Fields, name: string) {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function settingsProblem({ identity, lateness, retention }: Contract): string | undefined {
  if (identity !== "content" && identity !== "keyTime") return "identity is content or keyTime";
  for (const [what, span] of [
    ["lateness", lateness],
    ["retention", retention],
  ] as const) {
    if (span === null) continue;
    const least = what === "lateness" ? 0 : 1;
    if (!Number.isSafeInteger(span) || span < least || span > LONGEST_SPAN) return `${what} is not a usable time span`;
  }
  return undefined;
}

const outcomes: readonly string[] = ["quarantine", "refuse", "count"];

function rulesProblem({ rules, layout }: Contract): string | undefined {
  if (rules.length > MOST_RULES) return `a dataset has at most ${MOST_RULES} rules, not ${rules.length}`;
  const names = new Set<string>();
  for (const rule of rules) {
    if (names.has(rule.name)) return `two rules are named '${rule.name}'`;
    names.add(rule.name);
    const problem = ruleProblem(rule) ?? expressionProblem(rule.holds, layout, "boolean", true);
    if (problem !== undefined) return `rule '${rule.name}': ${problem}`;
  }
  return undefined;
}

export function ruleProblem({ name, otherwise, description }: Rule): string | undefined {
  if (!outcomes.includes(otherwise)) return `otherwise is one of ${outcomes.join(", ")}`;
  if (description.length > 1_000) return "the description is longer than 1,000 characters";
  return nameProblem(name, "rule name");
}

/** Why an expression is not one of the wanted type over a layout, or undefined. */
export function expressionProblem(
  expression: Expression,
  layout: Contract["layout"],
  wanted: string,
  allowPrevious: boolean,
): string | undefined {
  try {
    const { type } = checkExpression(expression, layout, { allowPrevious });
    return type === wanted ? undefined : `the expression is ${type}, not ${wanted}`;
  } catch (error) {
    return asMillpondError(error).message;
  }
}
