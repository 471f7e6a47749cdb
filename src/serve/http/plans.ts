/** Plans as they stand in an address: short text forms of what a JSON plan says. */
import { fail, parseDuration } from "../../base/index.ts";
import type { Contract } from "../../contract/index.ts";
import { type Aggregate, type AggregateFunction, parseExpression } from "../../expression/index.ts";
import type { SelectItem } from "../../query/index.ts";

export interface PlanParameters {
  readonly where?: string;
  readonly select?: string;
  readonly group?: string;
  readonly every?: string;
  readonly aggregates?: string;
  readonly order?: string;
  readonly limit?: number;
  readonly after?: string;
  readonly asOf?: number;
  readonly atLeast?: number;
}

const invalid = (problem: string) => fail("request_invalid", { problem });

/** The plan as plain data, not yet checked as a whole. @throws `request_invalid`, and what the parser refuses with */
export function planOfParameters(given: PlanParameters, contract: Contract): Record<string, unknown> {
  const { where, select, group, every, aggregates, order, limit, after, asOf, atLeast } = given;
  const plan = {
    dataset: contract.name,
    where: where === undefined ? undefined : parseExpression(where, contract.layout, { allowPrevious: false }),
    select: select === undefined ? undefined : itemsOf(select, contract),
    group: group === undefined ? undefined : itemsOf(group, contract),
    window: every === undefined ? undefined : { every: parseDuration(every) },
    aggregates: aggregates === undefined ? undefined : aggregatesOf(aggregates, contract),
    order: order === undefined ? undefined : pieces(order).map(orderOf),
    limit,
    after,
    asOf,
    atLeast,
  };
  return Object.fromEntries(Object.entries(plan).filter(([, value]) => value !== undefined));
}

/** `bid, spread: ask - bid`: an expression each, named by itself where it is a field. */
function itemsOf(text: string, contract: Contract): SelectItem[] {
  return pieces(text).map((piece) => {
    const named = /^([A-Za-z_]\w*)\s*:(.+)$/s.exec(piece);
    const source = named?.[2] ?? piece;
    const value = parseExpression(source, contract.layout, { allowPrevious: false });
    const as = named?.[1] ?? (value.op === "field" ? value.name : undefined);
    if (as === undefined) throw invalid(`give '${piece}' a name: 'name: expression'`);
    return { as, value };
  });
}

/** `high: max(bid), ticks: count()`, `vwap: weightedMean(bid, volume)`. */
function aggregatesOf(text: string, contract: Contract): Record<string, Aggregate> {
  const found: Record<string, Aggregate> = {};
  for (const piece of pieces(text)) {
    const match = /^([A-Za-z_]\w*)\s*:\s*(\w+)\s*\((.*)\)$/s.exec(piece);
    if (match === null || match[1] === "__proto__") throw invalid(`write '${piece}' as 'name: function(expression)'`);
    const [input, weight] = pieces(match[3]!).map((part) =>
      parseExpression(part, contract.layout, { allowPrevious: false }),
    );
    found[match[1]!] = {
      function: match[2] as AggregateFunction,
      ...(input && { input }),
      ...(weight && { weight }),
    };
  }
  return found;
}

function orderOf(piece: string): { by: string; descending?: boolean } {
  const match = /^([A-Za-z_]\w*)(?:\s+(asc|desc))?$/i.exec(piece);
  if (match === null) throw invalid(`order by columns: '${piece}' is none`);
  return { by: match[1]!, ...(match[2]?.toLowerCase() === "desc" && { descending: true }) };
}

/** Parts between commas that stand outside parentheses and quotes. */
function pieces(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let quoted = false;
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === "'") quoted = !quoted;
    else if (quoted) continue;
    else if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    else if (character === "," && depth === 0) {
      found.push(text.slice(start, index));
      start = index + 1;
    }
  }
  found.push(text.slice(start));
  return found.map((piece) => piece.trim()).filter((piece) => piece !== "");
}
