/** `query`: a question to the stored rows, with the position at which the answer stands. */
import type { Command } from "commander";
import { act, example } from "../command.ts";
import { gathered, listOption, usage, whole } from "../options.ts";
import { table } from "../output.ts";
import { columnsOf, plainRows } from "../rows.ts";
import { withSession } from "../session.ts";

interface QueryOptions {
  readonly where?: string;
  readonly select?: string;
  readonly group?: string;
  readonly every?: string;
  readonly aggregate?: readonly string[];
  readonly order?: string;
  readonly limit?: number;
  readonly after?: string;
  readonly asOf?: number;
  readonly atLeast?: number;
}

export function addQuery(program: Command): void {
  const command = program
    .command("query")
    .summary("ask for stored rows")
    .description("Asks for stored rows, or for groups and windows of them; says the position the answer stands at.")
    .argument("<dataset>")
    .option("--where <condition>", "only rows for which it holds")
    .option("--select <columns>", "fields, or 'name: expression', with commas between")
    .option("--group <columns>", "one row per group of these")
    .option("--every <duration>", "one row per window of the event time")
    .option("--aggregate <name=function>", "a column of each group; may be repeated", gathered)
    .option("--order <columns>", "'-' before a column: descending")
    .option("--limit <rows>", "most rows (default 1,000)", whole("--limit", 1, 1_000_000))
    .option("--after <cursor>", "the next page: what the page before said")
    .option("--as-of <position>", "the state as it was then", whole("--as-of", 0))
    .option("--at-least <position>", "wait until the view has come so far", whole("--at-least", 0));
  example(
    command,
    `query ticks --where "symbol = 'EURUSD' and ask - bid > 0.0002" --order -time --limit 10`,
    "query ticks --group symbol --every 1h --aggregate high=max(bid) --aggregate ticks=count()",
  );
  act<QueryOptions>(command, ({ options, output }, given, [dataset]) =>
    withSession(options, async (session) => {
      const client = await session.client();
      const { layout, batch, position, view, next } = await client.dataset(dataset!).query(planOf(given));
      const rows = plainRows(layout, batch);
      output.result({ position, view, rows, ...(next !== undefined && { next }) }, () =>
        [
          table(rows, columnsOf(layout), "no rows"),
          "",
          `${rows.length.toLocaleString("en")} ${rows.length === 1 ? "row" : "rows"} from view ${view} at position ${position.toLocaleString("en")}`,
          ...(next === undefined ? [] : [`more: --after ${next}`]),
        ].join("\n"),
      );
    }),
  );
}

function planOf(given: QueryOptions): Record<string, unknown> {
  const { where, select, group, every, aggregate, order, limit, after, asOf, atLeast } = given;
  const plan = {
    ...{ where, limit, after, asOf, atLeast },
    select: select === undefined ? undefined : listOption(select).map(itemOf),
    group: group === undefined ? undefined : listOption(group).map(itemOf),
    window: every,
    aggregates: aggregate === undefined ? undefined : Object.fromEntries(aggregate.map(aggregateOf)),
    order: order === undefined ? undefined : listOption(order),
  };
  return Object.fromEntries(Object.entries(plan).filter(([, value]) => value !== undefined));
}

/** A field by its name, or `name: expression`. */
export function itemOf(text: string): string | { as: string; value: string } {
  const [, as, value] = /^([A-Za-z_]\w*)\s*:(.+)$/s.exec(text) ?? [];
  if (as !== undefined && value !== undefined) return { as, value: value.trim() };
  if (!/^[A-Za-z_]\w*$/.test(text)) throw usage(`give '${text}' a name: 'name: ${text}'`);
  return text;
}

function aggregateOf(text: string): [string, string] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw usage(`write '${text}' like close=last(bid)`);
  return [name, value];
}
