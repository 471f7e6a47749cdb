/** `quarantine`: rows that were not accepted, to look at, to try again, to put aside. */
import type { Command } from "commander";
import type { Client } from "../../../client/node.ts";
import { quarantineContract, resolutionsContract } from "../../contract/index.ts";
import type { Admission } from "../../gate/index.ts";
import { accountLine } from "../account.ts";
import type { Api } from "../api.ts";
import { act, type Context, example } from "../command.ts";
import { usage, whole } from "../options.ts";
import { facts, table } from "../output.ts";
import { Ended, exitCodes } from "../problem.ts";
import { cellText, type PlainRow, plainRows } from "../rows.ts";
import { type Session, withSession } from "../session.ts";

interface Filters {
  readonly feed?: string;
  readonly reason?: string;
  readonly outcome?: string;
  readonly limit?: number;
  readonly all?: boolean;
}

type Kept = PlainRow & { readonly id: string; readonly resolution: string | null };

export function addQuarantine(program: Command): void {
  const command = program
    .command("quarantine")
    .description("Rows that were not accepted, as they came, with the reason.");
  addList(command);
  addShow(command);
  addResolve(command, "retry", "judge kept rows again", "Judges kept rows again, under today's contract and policies.");
  addResolve(command, "discard", "put kept rows aside", "Puts kept rows aside for good; the log still holds them.");
}

function withFilters(command: Command): Command {
  return command
    .option("--feed <name>", "only of this feed")
    .option("--reason <code>", "only with this code, such as rule_failed")
    .option("--outcome <name>", "only quarantined, late or refused")
    .option("--limit <rows>", "most rows (default 100)", whole("--limit", 1, 10_000));
}

function addList(parent: Command): void {
  const command = withFilters(parent.command("list").description("Kept rows that are still open, newest first."));
  command.option("--all", "also those that were retried or discarded");
  example(command, "quarantine list --feed files --reason rule_failed --limit 20");
  act<Filters>(command, ({ options, output }, filters) =>
    withSession(options, async (session) => {
      const rows = await keptRows(await session.client(), filters);
      output.result(rows, () =>
        table(
          rows,
          [
            { title: "id", value: ({ id }) => id },
            { title: "received", value: (row) => cellText(row.received_at) },
            { title: "feed", value: ({ feed }) => cellText(feed) },
            { title: "outcome", value: ({ outcome }) => cellText(outcome) },
            { title: "reason", value: ({ reason, rule }) => `${reason}${rule === null ? "" : ` (${rule})`}` },
            { title: "state", value: ({ resolution }) => resolution ?? "open" },
            { title: "row", value: ({ raw }) => shortened(String(raw)) },
          ],
          "nothing is kept",
        ),
      );
    }),
  );
}

const shortened = (text: string): string => (text.length > 100 ? `${text.slice(0, 99)}…` : text);

function addShow(parent: Command): void {
  const command = parent.command("show").description("One kept row, with its raw form.").argument("<id>");
  example(command, "quarantine show 44d8ef04e1aae7cefd99092d-1-1");
  act(command, ({ options, output }, _given, [id]) =>
    withSession(options, async ({ api }) => {
      const row = await api.get<PlainRow>(`/v1/quarantine/${encodeURIComponent(id!)}`);
      output.result(row, () => facts(Object.entries(row).map(([name, value]) => [name, cellText(value)])));
    }),
  );
}

function addResolve(parent: Command, verb: "retry" | "discard", summary: string, description: string): void {
  const command = withFilters(
    parent
      .command(verb)
      .summary(summary)
      .description(`${description} Name them, or say which by filters.`)
      .argument("[id...]"),
  );
  example(
    command,
    `quarantine ${verb} 44d8ef04e1aae7cefd99092d-1-1`,
    `quarantine ${verb} --feed files --reason row_late`,
  );
  act<Filters>(command, (context, filters, given) =>
    withSession(context.options, async (session) => {
      const ids = given.length > 0 ? given : await chosen(session, filters);
      if (ids.length === 0) {
        context.output.result({ ids: [] }, () => "no open row fits");
      } else if (verb === "retry") await retry(context, session.api, ids);
      else await discard(context, session.api, ids);
    }),
  );
}

async function chosen(session: Session, filters: Filters): Promise<readonly string[]> {
  const { feed, reason, outcome } = filters;
  if (feed === undefined && reason === undefined && outcome === undefined) {
    throw usage("name the rows by id, or give at least one of --feed, --reason, --outcome");
  }
  const rows = await keptRows(await session.client(), filters);
  return rows.map(({ id }) => id);
}

async function retry({ output }: Context, api: Api, ids: readonly string[]): Promise<void> {
  type Answer = Pick<Admission, "account" | "rejections"> & { readonly position: number };
  const answer = await api.post<Answer>("/v1/quarantine/retry", { ids });
  const { account, rejections, position } = answer;
  output.result(answer, () => {
    const still = table(rejections, [
      { title: "id", value: ({ quarantineId, place }) => quarantineId ?? ids[place] },
      { title: "outcome", value: ({ outcome }) => outcome },
      { title: "reason", value: ({ message }) => message },
    ]);
    const line = `${accountLine(account)}, at position ${position}`;
    return rejections.length === 0 ? line : `${line}\n\n${still}`;
  });
  if (account.accepted + account.duplicate < account.received) throw new Ended(exitCodes.failed);
}

async function discard({ output }: Context, api: Api, ids: readonly string[]): Promise<void> {
  const { position } = await api.post<{ position: number }>("/v1/quarantine/discard", { ids });
  output.result({ ids, position }, () => `${ids.length} put aside at position ${position}`);
}

/** Newest first, each with what became of it; resolved ones only where they are asked for. */
async function keptRows(
  client: Client,
  { feed, reason, outcome, limit = 100, all }: Filters,
): Promise<readonly Kept[]> {
  const conditions = Object.entries({ feed, reason, outcome })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} = ${quoted(value!)}`);
  const plan = {
    ...(conditions.length > 0 && { where: conditions.join(" and ") }),
    order: ["-received_at", "-place"],
    limit: 1_000,
  };
  const found: Kept[] = [];
  let after: string | undefined;
  do {
    const page = await client
      .dataset(quarantineContract.name)
      .query({ ...plan, ...(after !== undefined && { after }) });
    const rows = plainRows(page.layout, page.batch);
    const resolutions = await resolutionsOf(
      client,
      rows.map(({ id }) => String(id)),
    );
    for (const row of rows) {
      const id = String(row.id);
      const resolution = resolutions.get(id) ?? null;
      if (all === true || resolution === null) found.push({ ...row, id, resolution });
    }
    after = page.next;
  } while (after !== undefined && found.length < limit);
  return found.slice(0, limit);
}

async function resolutionsOf(client: Client, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const known = new Map<string, string>();
  for (let from = 0; from < ids.length; from += 100) {
    const some = ids.slice(from, from + 100);
    const where = `id in (${some.map(quoted).join(", ")})`;
    const { layout, batch } = await client.dataset(resolutionsContract.name).query({ where });
    for (const { id, resolution } of plainRows(layout, batch)) known.set(String(id), String(resolution));
  }
  return known;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
