/**
 * Plans as people write them, in JSON over REST or put together by the command line: expressions may be text, columns
 * plain names, aggregates `last(bid)`, windows `1m`, orders `-time`.
 */
import type { Layout } from "../batch/index.ts";
import type { Contract } from "../contract/index.ts";
import { type Expression, expressionFromJson, parseExpression } from "../expression/index.ts";
import { invalid, objectAt, planOf } from "./plan-shape.ts";
import type { Plan } from "./types.ts";

const AGGREGATE = /^\s*(first|last|min|max|sum|mean|count|standardDeviation|weightedMean)\s*\(([\s\S]*)\)\s*$/;

/** @throws `plan_invalid` with the path of what is wrong and why */
export function readPlan(given: unknown, contract: Contract): Plan {
  const plan = { ...objectAt(given, "") };
  if (typeof plan.window === "string") plan.window = { every: plan.window };
  if (typeof plan.order === "string") plan.order = commaSeparated(plan.order);
  if (typeof plan.select === "string") plan.select = commaSeparated(plan.select);
  if (typeof plan.group === "string") plan.group = commaSeparated(plan.group);
  if (plan.aggregates !== undefined) {
    const aggregates = objectAt(plan.aggregates, "aggregates");
    const read = Object.entries(aggregates).map(([name, text]) => [name, aggregateOf(text, `aggregates.${name}`)]);
    plan.aggregates = Object.fromEntries(read);
  }
  return planOf({ dataset: contract.name, ...plan }, contract, readExpression);
}

const commaSeparated = (text: string): string[] => text.split(",").map((part) => part.trim());

function readExpression(given: unknown, schema: Layout): Expression {
  return typeof given === "string"
    ? parseExpression(given, schema, { allowPrevious: false })
    : expressionFromJson(given, schema, { allowPrevious: false });
}

function aggregateOf(given: unknown, path: string): unknown {
  if (typeof given !== "string") return given;
  const [, name, input = ""] = AGGREGATE.exec(given) ?? [];
  if (name === undefined) throw invalid(path, "not an aggregate such as last(bid) or count()");
  if (input.trim() === "" || input.trim() === "*") return { function: name };
  if (name !== "weightedMean") return { function: name, input };
  const comma = outerComma(input);
  if (comma < 0) throw invalid(path, "weightedMean takes a value and a weight");
  return { function: name, input: input.slice(0, comma), weight: input.slice(comma + 1) };
}

/** Where the first comma outside brackets and quotes stands; -1 without one. */
function outerComma(text: string): number {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "'") quoted = !quoted;
    else if (quoted) continue;
    else if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    else if (character === "," && depth === 0) return at;
  }
  return -1;
}
