/** How the pool does: `chains`, `feeds`, `tasks`, `accounts`. */
import type { Command } from "commander";
import { formatInstant } from "../../base/index.ts";
import type { FeedStatus } from "../../feed/index.ts";
import type { FeedTotals } from "../../gate/index.ts";
import type { Chain, Hop, TaskSnapshot } from "../../operate/index.ts";
import { accountLine } from "../account.ts";
import { act, example } from "../command.ts";
import { facts, table } from "../output.ts";
import { withSession } from "../session.ts";

export function addStatus(program: Command): void {
  addChains(program);
  addFeeds(program);
  addTasks(program);
  addAccounts(program);
}

function addChains(program: Command): void {
  const command = program
    .command("chains")
    .summary("every path from source to subscribers, hop by hop")
    .description("Every path from source to subscribers with live figures per hop.")
    .option("--active", "only those through which rows have come");
  example(command, "chains --active");
  act<{ active?: boolean }>(command, ({ options, output }, { active }) =>
    withSession(options, async ({ api }) => {
      const all = await api.get<readonly Chain[]>("/v1/chains");
      const chains = active ? all.filter(isActive) : all;
      output.result(chains, () =>
        chains.length === 0 ? "no rows have come through any chain" : chains.map(chainText).join("\n\n"),
      );
    }),
  );
}

const isActive = ({ hops }: Chain): boolean =>
  hops.some(({ kind, rows, state }) => (kind === "gate" && (rows?.received ?? 0) > 0) || state === "live");

function chainText({ name, hops }: Chain): string {
  const text = table(hops, [
    { title: "hop", value: ({ kind }) => kind },
    { title: "name", value: (hop) => hop.name },
    { title: "state", value: ({ state, lastError }) => lastError ?? state },
    { title: "rows", value: hopRows },
    { title: "rows/s", value: ({ rowsPerSecond }) => rounded(rowsPerSecond), right: true },
    { title: "lag", value: ({ lag }) => lag, right: true },
    { title: "p50 ms", value: ({ latencyMs }) => rounded(latencyMs?.p50), right: true },
    { title: "p99 ms", value: ({ latencyMs }) => rounded(latencyMs?.p99), right: true },
  ]);
  return `${name}\n${text}`;
}

const hopRows = ({ rows = {} }: Hop): string =>
  Object.entries(rows)
    .filter(([name, count]) => count > 0 || name === "unaccounted")
    .map(([name, count]) => `${count.toLocaleString("en")} ${name}`)
    .join(", ");

export const rounded = (value: number | undefined): string | undefined =>
  value === undefined ? undefined : value.toFixed(value < 10 ? 2 : 1);

function addFeeds(program: Command): void {
  const command = program
    .command("feeds")
    .summary("every feed that terminals dial in to, and what it is doing")
    .description("Every feed that terminals dial in to, with its sessions. Needs a server with a bridge.");
  example(command, "feeds");
  act(command, ({ options, output }) =>
    withSession(options, async ({ api }) => {
      const feeds = await api.get<readonly FeedStatus[]>("/v1/feeds");
      output.result(feeds, () =>
        feeds.length === 0 ? "no bridge is open here; 'start' opens one" : feeds.map(feedText).join("\n\n"),
      );
    }),
  );
}

function feedText({ feed, state, since, sessions, lastBatchAt, lastError, ...figures }: FeedStatus): string {
  const head = facts([
    ["feed", feed],
    ["state", `${state} since ${formatInstant(since)}`],
    ["rows", figures.rowsReceived],
    ["rows/s", rounded(figures.ticksPerSecond)],
    ["last batch", lastBatchAt === null ? null : formatInstant(lastBatchAt)],
    ["last error", lastError],
  ]);
  if (sessions.length === 0) return head;
  const rows = table(sessions, [
    { title: "terminal", value: ({ source }) => `${source.name}${source.simulated ? " (simulated)" : ""}` },
    { title: "session", value: ({ session }) => session },
    { title: "state", value: (session) => session.state },
    { title: "zone", value: ({ source }) => source.timeZone },
    { title: "symbols", value: ({ source }) => source.symbols.length, right: true },
    { title: "batch", value: ({ lastBatch }) => lastBatch, right: true },
    { title: "rows", value: ({ rowsReceived }) => rowsReceived, right: true },
    { title: "waiting", value: ({ waitingRows }) => waitingRows, right: true },
  ]);
  return `${head}\n${rows}`;
}

function addTasks(program: Command): void {
  const command = program
    .command("tasks")
    .summary("every long-running task and its state")
    .description("Every long-running task, how often it was started, and its last error.");
  example(command, "tasks");
  act(command, ({ options, output }) =>
    withSession(options, async ({ api }) => {
      const tasks = await api.get<readonly TaskSnapshot[]>("/v1/tasks");
      output.result(tasks, () =>
        table(tasks, [
          { title: "task", value: ({ name }) => name },
          { title: "state", value: ({ state }) => state },
          { title: "since", value: ({ since }) => formatInstant(since) },
          { title: "starts", value: ({ starts }) => starts, right: true },
          { title: "failures", value: ({ failures }) => failures, right: true },
          { title: "last error", value: ({ lastError }) => lastError },
        ]),
      );
    }),
  );
}

function addAccounts(program: Command): void {
  const command = program
    .command("accounts")
    .summary("what became of every row, per feed and dataset")
    .description("received = accepted + duplicate + quarantined + late + refused, per feed and dataset, with reasons.");
  example(command, "accounts");
  act(command, ({ options, output }) =>
    withSession(options, async ({ api }) => {
      const answer = await api.get<{ position: number; accounts: readonly FeedTotals[] }>("/v1/accounts");
      output.result(answer, () =>
        answer.accounts.length === 0 ? "no rows have been received" : answer.accounts.map(totalsText).join("\n\n"),
      );
    }),
  );
}

function totalsText(totals: FeedTotals): string {
  const counts = (given: Readonly<Record<string, number>>): string | null =>
    Object.entries(given)
      .map(([name, count]) => `${name} ${count.toLocaleString("en")}`)
      .join(", ") || null;
  const { feed, dataset, lastAt, lastPosition, unaccounted, batches, outOfOrder, reasons, rules, breaches } = totals;
  return facts([
    ["feed", `${feed} → ${dataset}`],
    ["rows", accountLine(totals)],
    ["unaccounted", unaccounted],
    ["batches", batches],
    ["out of order", outOfOrder],
    ["reasons", counts(reasons)],
    ["rules failed", counts(rules)],
    ["rules counted", counts(breaches)],
    ["last", `position ${lastPosition} at ${formatInstant(lastAt)}`],
  ]);
}
