/** What a plan means, slowly: rows as objects, one after another. */
import type { Value } from "../batch/index.ts";
import type { Contract } from "../contract/index.ts";
import { type Aggregate, evaluate } from "../expression/index.ts";
import { itemsOf, planSchema } from "./plan-shape.ts";
import type { Plan } from "./types.ts";

export type StoredRow = Readonly<Record<string, Value>>;
export type ReferencePlan = Plan;

export function referenceRows(plan: Plan, contract: Contract, stored: readonly StoredRow[]): Record<string, Value>[] {
  const schema = planSchema(contract);
  const state = stateAt(contract, stored, plan.asOf ?? Number.POSITIVE_INFINITY);
  const kept = state.filter((row) => plan.where === undefined || evaluate(plan.where, schema, row) === true);
  const outputs =
    plan.aggregates || plan.group || plan.window
      ? grouped(plan, contract, kept)
      : kept.map((row) => ({
          row: valuesOf(plan, contract, row),
          ties: [row._position!, row._place!],
        }));
  const types = new Map(outputTypes(plan, contract));
  outputs.sort((left, right) => {
    for (const { by, descending = false } of plan.order ?? []) {
      const order = compare(left.row[by]!, right.row[by]!, types.get(by) === "amount");
      if (order !== 0) return descending ? -order : order;
    }
    for (let index = 0; index < left.ties.length; index++) {
      const order = compare(left.ties[index]!, right.ties[index]!, false);
      if (order !== 0) return order;
    }
    return 0;
  });
  return outputs.map(({ row }) => row);
}

function outputTypes(plan: Plan, contract: Contract): [string, string][] {
  return itemsOf(plan, contract).map(({ as, value }) => [as, value.op === "field" ? value.name : ""]);
}

function stateAt(contract: Contract, stored: readonly StoredRow[], position: number): StoredRow[] {
  const upTo = stored.filter((row) => (row._position as number) <= position);
  if (contract.identity === "content") return upTo;
  const newest = new Map(
    upTo.map((row) => [JSON.stringify([...contract.key, contract.time].map((name) => row[name])), row]),
  );
  return upTo.filter((row) => [...newest.values()].includes(row));
}

function valuesOf(plan: Plan, contract: Contract, row: StoredRow): Record<string, Value> {
  const schema = planSchema(contract);
  return Object.fromEntries(itemsOf(plan, contract).map(({ as, value }) => [as, evaluate(value, schema, row)]));
}

function grouped(plan: Plan, contract: Contract, rows: readonly StoredRow[]) {
  const groups = new Map<string, { readonly keys: Record<string, Value>; readonly rows: StoredRow[] }>();
  for (const row of rows) {
    const keys = valuesOf(plan, contract, row);
    if (plan.window) {
      const { every } = plan.window;
      keys.window_start = Math.floor((row[contract.time] as number) / every) * every;
    }
    const name = JSON.stringify(keys);
    const group = groups.get(name) ?? { keys, rows: [] };
    groups.set(name, group);
    group.rows.push(row);
  }
  if (groups.size === 0 && !plan.group && !plan.window) groups.set("", { keys: {}, rows: [] });
  return [...groups.values()].map((group) => {
    const row = { ...group.keys };
    for (const [name, aggregate] of Object.entries(plan.aggregates ?? {}))
      row[name] = fold(aggregate, contract, group.rows);
    return { row, ties: Object.values(group.keys) };
  });
}

function fold({ function: name, input }: Aggregate, contract: Contract, rows: readonly StoredRow[]): Value {
  if (input === undefined) return rows.length;
  const schema = planSchema(contract);
  const ordered = [...rows].sort((left, right) => (left[contract.time] as number) - (right[contract.time] as number));
  const values = ordered.map((row) => evaluate(input, schema, row)).filter((value) => value !== null);
  if (name === "count") return values.length;
  if (values.length === 0) return null;
  const sum = (): number => values.reduce((total: number, value) => total + (value as number), 0);
  switch (name) {
    case "first":
      return values[0]!;
    case "last":
      return values.at(-1)!;
    case "min":
      return values.reduce((best, value) => (compare(value, best, false) < 0 ? value : best));
    case "max":
      return values.reduce((best, value) => (compare(value, best, false) > 0 ? value : best));
    case "sum":
      return sum();
    case "mean":
      return sum() / values.length;
    default:
      throw new Error(name);
  }
}

/** Nulls behind everything; text by code point; decimals by value. */
function compare(left: Value, right: Value, isDecimal: boolean): number {
  if (left === null || right === null) return Number(left === null) - Number(right === null);
  if (isDecimal) return compareDecimals(left as string, right as string);
  if (typeof left === "string") return Buffer.compare(Buffer.from(left), Buffer.from(right as string));
  return Number(left) - Number(right);
}
function compareDecimals(left: string, right: string): number {
  const scaled = (text: string): bigint => {
    const [whole = "", fraction = ""] = text.split(".");
    return BigInt(whole + fraction.padEnd(10, "0"));
  };
  const difference = scaled(left) - scaled(right);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
