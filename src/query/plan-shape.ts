/**
 * What holds of every plan before any engine sees it: names declared, types known, sizes bounded. `checkPlan` judges a
 * plan that claims to be one; what it gives back is a copy with only known parts, in a fixed order.
 */
import { asMillpondError, fail, type MillpondError, parseDuration } from "../base/index.ts";
import type { Layout, LayoutField } from "../batch/index.ts";
import type { Contract } from "../contract/index.ts";
import { type Aggregate, checkAggregate, type Expression, expressionFromJson } from "../expression/index.ts";
import type { Plan, SelectItem } from "./types.ts";

export const DEFAULT_LIMIT = 1000;
export const MOST_ROWS = 1_000_000;
export const WINDOW_START = "window_start";
const MOST_ITEMS = 256;
const MOST_ORDERS = 16;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const LONGEST_WINDOW = 1_000_000 * 86_400_000_000;

export const invalid = (path: string, reason: string, cause?: unknown): MillpondError =>
  fail("plan_invalid", { path, reason }, cause);

/** What expressions of a plan may name: the fields, and where a row stands in the log. */
export function planSchema(contract: Contract): Layout {
  const system: LayoutField[] = [
    { name: "_position", type: "integer", nullable: false },
    { name: "_place", type: "integer", nullable: false },
  ];
  return [...contract.layout, ...system];
}

const KEYS: readonly string[] = [
  "dataset",
  "where",
  "select",
  "group",
  "window",
  "aggregates",
  "order",
  "limit",
  "after",
  "asOf",
  "atLeast",
];

/** How an expression is given in a plan: as a tree, or, where people write it, also as text. */
export type ReadExpression = (given: unknown, schema: Layout) => Expression;

/** @throws `plan_invalid` with the path of what is wrong and why */
export function checkPlan(given: unknown, contract: Contract): Plan {
  return planOf(given, contract, (tree, schema) => expressionFromJson(tree, schema, { allowPrevious: false }));
}

export function planOf(given: unknown, contract: Contract, read: ReadExpression): Plan {
  const plan = objectAt(given, "", KEYS);
  if (plan.dataset !== contract.name) throw invalid("dataset", `it must be '${contract.name}'`);
  const reader = new PlanReader(planSchema(contract), read);
  const where = plan.where === undefined ? undefined : reader.condition(plan.where);
  const select = plan.select === undefined ? undefined : reader.items(plan.select, "select");
  const group = plan.group === undefined ? undefined : reader.items(plan.group, "group");
  const window = plan.window === undefined ? undefined : windowOf(plan.window);
  const aggregates = plan.aggregates === undefined ? undefined : reader.aggregates(plan.aggregates);
  if (select !== undefined && (aggregates ?? group ?? window) !== undefined) {
    throw invalid("select", "it does not go together with group, window or aggregates");
  }
  const order = plan.order === undefined ? undefined : ordersOf(plan.order);
  const checked: Plan = {
    dataset: contract.name,
    ...(where && { where }),
    ...(select && { select }),
    ...(group && { group }),
    ...(window && { window }),
    ...(aggregates && { aggregates }),
    ...(order && { order }),
    limit: plan.limit === undefined ? DEFAULT_LIMIT : wholeAt(plan.limit, "limit", 1, MOST_ROWS),
    ...(plan.after !== undefined && { after: textAt(plan.after, "after", 16_384) }),
    ...(plan.asOf !== undefined && { asOf: wholeAt(plan.asOf, "asOf", 0, Number.MAX_SAFE_INTEGER) }),
    ...(plan.atLeast !== undefined && { atLeast: wholeAt(plan.atLeast, "atLeast", 0, Number.MAX_SAFE_INTEGER) }),
  };
  checkOutputs(checked, contract);
  return checked;
}

/** Whether the answer has one row per group instead of one per stored row. */
export const isGrouped = ({ group, window, aggregates }: Plan): boolean =>
  group !== undefined || window !== undefined || aggregates !== undefined;

/** The items whose values come before the aggregates, or all of them. */
export function itemsOf(plan: Plan, contract: Contract): readonly SelectItem[] {
  if (isGrouped(plan)) return plan.group ?? [];
  return plan.select ?? contract.layout.map(({ name }) => ({ as: name, value: { op: "field", name } }));
}

function checkOutputs(plan: Plan, contract: Contract): void {
  const names = itemsOf(plan, contract).map((item) => item.as);
  if (plan.window) names.push(WINDOW_START);
  for (const name of Object.keys(plan.aggregates ?? {})) names.push(name);
  if (names.length === 0) throw invalid("aggregates", "the answer would have no columns");
  const doubled = names.find((name, index) => names.indexOf(name) !== index);
  if (doubled !== undefined) throw invalid("select", `two output columns are named '${doubled}'`);
  plan.order?.forEach(({ by }, index) => {
    if (!names.includes(by)) throw invalid(`order[${index}].by`, `there is no output column '${by}'`);
  });
}

class PlanReader {
  readonly #schema: Layout;
  readonly #read: ReadExpression;

  constructor(schema: Layout, read: ReadExpression) {
    this.#schema = schema;
    this.#read = read;
  }
  expression(given: unknown, path: string): Expression {
    try {
      return this.#read(given, this.#schema);
    } catch (error) {
      throw invalid(path, asMillpondError(error).message, error);
    }
  }
  condition(given: unknown): Expression {
    const expression = this.expression(given, "where");
    // A condition of conditions must check: only booleans may be joined by "and".
    this.expression({ op: "and", terms: [expression, { op: "literal", type: "boolean", value: true }] }, "where");
    return expression;
  }
  items(given: unknown, path: string): readonly SelectItem[] {
    return listAt(given, path, MOST_ITEMS).map((item, index) => {
      const at = `${path}[${index}]`;
      if (typeof item === "string")
        return { as: nameAt(item, at), value: this.expression({ op: "field", name: item }, at) };
      const { as, value } = objectAt(item, at, ["as", "value"]);
      return { as: nameAt(as, `${at}.as`), value: this.expression(value, `${at}.value`) };
    });
  }
  aggregates(given: unknown): Readonly<Record<string, Aggregate>> {
    const entries = Object.entries(objectAt(given, "aggregates"));
    if (entries.length > MOST_ITEMS) throw invalid("aggregates", `at most ${MOST_ITEMS} are allowed`);
    const read = entries.map(([name, aggregate]) => [nameAt(name, "aggregates"), this.#aggregate(name, aggregate)]);
    return Object.fromEntries(read) as Record<string, Aggregate>;
  }
  #aggregate(name: string, given: unknown): Aggregate {
    const path = `aggregates.${name}`;
    const parts = objectAt(given, path, ["function", "input", "weight"]);
    const aggregate = {
      function: parts.function,
      ...(parts.input !== undefined && { input: this.expression(parts.input, `${path}.input`) }),
      ...(parts.weight !== undefined && { weight: this.expression(parts.weight, `${path}.weight`) }),
    } as Aggregate;
    try {
      checkAggregate(aggregate, this.#schema);
    } catch (error) {
      throw invalid(path, asMillpondError(error).message, error);
    }
    return aggregate;
  }
}

function windowOf(given: unknown): { readonly every: number } {
  const { every } = objectAt(given, "window", ["every"]);
  const micros = typeof every === "string" ? durationAt(every, "window.every") : every;
  return { every: wholeAt(micros, "window.every", 1, LONGEST_WINDOW) };
}
function durationAt(text: string, path: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw invalid(path, asMillpondError(error).message, error);
  }
}

function ordersOf(given: unknown): NonNullable<Plan["order"]> {
  return listAt(given, "order", MOST_ORDERS).map((item, index) => {
    const path = `order[${index}]`;
    if (typeof item === "string") {
      return item.startsWith("-") ? { by: nameAt(item.slice(1), path), descending: true } : { by: nameAt(item, path) };
    }
    const { by, descending } = objectAt(item, path, ["by", "descending"]);
    if (descending !== undefined && typeof descending !== "boolean")
      throw invalid(`${path}.descending`, "not a boolean");
    return { by: nameAt(by, `${path}.by`), ...(descending === true && { descending }) };
  });
}

export function objectAt(given: unknown, path: string, keys?: readonly string[]): Record<string, unknown> {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw invalid(path || "plan", "not an object");
  const unknown = keys && Object.keys(given).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw invalid(path || "plan", `unknown key '${unknown.slice(0, 64)}'`);
  return given as Record<string, unknown>;
}
function listAt(given: unknown, path: string, most: number): readonly unknown[] {
  if (!Array.isArray(given)) throw invalid(path, "not a list");
  if (given.length > most) throw invalid(path, `at most ${most} are allowed`);
  return given;
}
function nameAt(given: unknown, path: string): string {
  const fits = typeof given === "string" && NAME.test(given) && given !== "__proto__";
  if (!fits) throw invalid(path, "not a plain name of letters, digits and _");
  return given;
}
function wholeAt(given: unknown, path: string, least: number, most: number): number {
  const fits = typeof given === "number" && Number.isSafeInteger(given) && given >= least && given <= most;
  if (!fits) throw invalid(path, `not a whole number from ${least} to ${most}`);
  return given;
}
function textAt(given: unknown, path: string, most: number): string {
  if (typeof given !== "string" || given.length > most) throw invalid(path, "not a text of allowed length");
  return given;
}
