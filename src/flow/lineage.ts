/** Where the fields of a derived dataset come from, which rows made a derived row, and a flow in plain English. */
import { formatDuration } from "../base/index.ts";
import type { Value } from "../batch/index.ts";
import {
  type Aggregate,
  describe,
  describeAggregate,
  type Expression,
  inputs,
  inputsOfAggregate,
} from "../expression/index.ts";
import { outputsOf } from "./indicator-steps.ts";
import type { FlowSpec, IndicatorSpec } from "./types.ts";

export interface FieldLineage {
  readonly kind: "key" | "time" | "copied" | "derived" | "aggregate" | "indicator" | "revision";
  /** Fields of the source dataset; empty where only the number of rows matters. */
  readonly sources: readonly string[];
  readonly description: string;
}

export interface FlowLineage {
  readonly dataset: string;
  readonly source: string;
  /** Source fields that decide which rows count at all. */
  readonly filter: readonly string[];
  /** By field of the derived dataset. */
  readonly fields: Readonly<Record<string, FieldLineage>>;
}

export function flowLineage(spec: FlowSpec): FlowLineage {
  const fields: Record<string, FieldLineage> = {};
  const { into } = spec;
  for (const { name } of into.layout) fields[name] = fieldLineage(spec, name);
  const filter = spec.kind !== "indicators" && spec.where !== undefined ? [...inputs(spec.where)] : [];
  return { dataset: into.name, source: spec.source, filter, fields };
}

function fieldLineage(spec: FlowSpec, name: string): FieldLineage {
  if (spec.kind === "map") {
    const expression = spec.derive[name];
    if (expression === undefined) return copied(name);
    return { kind: "derived", sources: sourcesOf(inputs(expression), spec.derive), description: describe(expression) };
  }
  if (spec.into.key.includes(name)) return { kind: "key", sources: [name], description: `${name} of the source` };
  if (name === "revision") return { kind: "revision", sources: [], description: "how often the row was corrected" };
  if (spec.kind === "indicators") {
    if (name === spec.into.time) return { kind: "time", sources: [name], description: `${name} of the source row` };
    const indicator = spec.indicators.find((each) => outputsOf(each).includes(name))!;
    return { kind: "indicator", sources: [...indicator.inputs], description: describeIndicator(indicator) };
  }
  if (name === spec.into.time) {
    return { kind: "time", sources: [], description: `start of the window of ${formatDuration(spec.window.every)}` };
  }
  const aggregate = spec.aggregates[name]!;
  const sources = sourcesOf(inputsOfAggregate(aggregate), spec.derive);
  return { kind: "aggregate", sources, description: describeOver(aggregate, spec.derive) };
}

const copied = (name: string): FieldLineage => ({
  kind: "copied",
  sources: [name],
  description: `${name} of the source`,
});

/** Derived names replaced by the source fields they are made of. */
export function sourcesOf(names: ReadonlySet<string>, derive: Readonly<Record<string, Expression>>): string[] {
  const sources = new Set<string>();
  for (const name of names) {
    const expression = derive[name];
    if (expression === undefined) sources.add(name);
    else for (const source of sourcesOf(inputs(expression), derive)) sources.add(source);
  }
  return [...sources];
}

function describeOver(aggregate: Aggregate, derive: Readonly<Record<string, Expression>>): string {
  const used = [...inputsOfAggregate(aggregate)].filter((name) => derive[name] !== undefined);
  const where = used.map((name) => `${name} is ${describe(derive[name]!)}`).join(", ");
  return where === "" ? describeAggregate(aggregate) : `${describeAggregate(aggregate)}, where ${where}`;
}

function describeIndicator({ indicator, parameters, inputs: fields }: IndicatorSpec): string {
  const settings = Object.entries(parameters).map(([name, value]) => `${name} ${value}`);
  return `${indicator} of ${fields.join(", ")} (${settings.join(", ")})`;
}

/** What a flow does, in plain English, a sentence a line. */
export function describeFlow(spec: FlowSpec): string {
  const lines = [`${spec.into.name} is derived from ${spec.source}.`];
  if (spec.kind !== "indicators" && spec.where !== undefined) {
    lines.push(`Only rows count for which ${describe(spec.where)}.`);
  }
  if (spec.kind === "window") lines.push(...describeWindow(spec));
  const skipped = new Set(["key", "time", "copied", "revision"]);
  for (const [name, { kind, description }] of Object.entries(flowLineage(spec).fields)) {
    if (!skipped.has(kind)) lines.push(`${name}: ${description}.`);
  }
  return lines.join("\n");
}

function describeWindow({ by, window }: Extract<FlowSpec, { kind: "window" }>): string[] {
  const { every, hop, lateness, retained } = window;
  const begun = hop === every ? "" : `, one begun every ${formatDuration(hop)}`;
  const wait = lateness === 0 ? "" : ` by ${formatDuration(lateness)}`;
  return [
    `Rows are gathered by ${by.join(", ")} in windows of ${formatDuration(every)}${begun}.`,
    `A window is final once its source has moved past its end${wait}; a later row corrects it.`,
    `The newest ${retained} closed windows can be corrected; what comes later still is recorded as left out.`,
  ];
}

/** Source rows: of this dataset, with these key values, with an event time in [from, through] microseconds. */
export interface SourceRange {
  readonly dataset: string;
  readonly key: Readonly<Record<string, Value>>;
  /** Null: from the first row on. */
  readonly from: number | null;
  /** Included. */
  readonly through: number;
  /** Only the newest so many rows of the range matter; null: all do. */
  readonly newest: number | null;
}

/** The source rows a derived row was made of (before the flow's filter). */
export function sourceRange(spec: FlowSpec, row: Readonly<Record<string, Value>>): SourceRange {
  const time = row[spec.into.time] as number;
  const key = Object.fromEntries(spec.into.key.map((name) => [name, row[name] ?? null]));
  const base = { dataset: spec.source, key };
  switch (spec.kind) {
    case "window":
      return { ...base, from: time, through: time + spec.window.every - 1, newest: null };
    case "map":
      return { ...base, from: time, through: time, newest: null };
    case "indicators": {
      const bounded = spec.indicators.every(({ indicator }) => indicator === "sma" || indicator === "bollinger");
      const newest = Math.max(...spec.indicators.map(({ parameters }) => parameters.period ?? 0));
      return { ...base, from: null, through: time, newest: bounded ? newest : null };
    }
  }
}
