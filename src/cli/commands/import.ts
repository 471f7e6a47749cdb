/** `import`: files through the gate, with an account that adds up to the last row. */
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { fail } from "../../base/index.ts";
import type { ImportProgress, ImportResult } from "../../serve/index.ts";
import { accountLine, sumOf } from "../account.ts";
import { searchOf } from "../api.ts";
import { act, type Context, example } from "../command.ts";
import { onInterrupt } from "../interrupts.ts";
import { usage } from "../options.ts";
import { facts, printable, table } from "../output.ts";
import { Ended, exitCodes } from "../problem.ts";
import { createProgress } from "../progress.ts";
import { type Session, withSession } from "../session.ts";
import { uploadFile } from "../upload.ts";

interface ImportOptions {
  readonly feed?: string;
  readonly dataset?: string;
  readonly layout?: string;
  readonly symbol?: string;
  readonly timeframe?: string;
  readonly date?: string;
  readonly zone?: string;
  readonly encoding?: string;
}

export function addImport(program: Command): void {
  const command = program
    .command("import")
    .summary("bring files in through the gate")
    .description(
      "Brings files in through the gate, plain, gzip or zip. A file may be brought again: its rows are known.",
    )
    .argument("<file...>")
    .option("--feed <name>", "a declared feed for files; default one that fits")
    .option("--dataset <name>", "only feeds into this dataset")
    .option("--layout <name|file.json>", "what the file holds; default found out from it")
    .option("--symbol <name>", "where the file does not say")
    .option("--timeframe <name>", "where the file does not say, such as M1")
    .option("--date <YYYYMMDD>", "where the file does not say")
    .option("--zone <zone>", "time zone of its local times, such as Europe/Athens or -05:00")
    .option("--encoding <name>", "utf-8 or latin1");
  example(command, "import 20140502_eurusd_tick_quote.zip --feed oanda");
  act<ImportOptions>(command, (context, given, files) => {
    for (const file of files) if (!isFile(file)) throw fail("import_file_refused", { problem: `'${file}' is no file` });
    const options = { ...context.options, create: true };
    return withSession(options, (session) => importAll(context, session, given, files));
  });
}

const isFile = (file: string): boolean => existsSync(file) && statSync(file).isFile();

async function importAll(
  context: Context,
  session: Session,
  given: ImportOptions,
  files: readonly string[],
): Promise<void> {
  const { output } = context;
  const results: ImportResult[] = [];
  for (const file of files) {
    const result = await importOne(context, session, given, file);
    results.push(result);
    if (!output.json) output.result(result, () => resultText(result));
    if (result.stopped) break;
  }
  const account = sumOf(results.map((result) => result.account));
  if (output.json) output.result({ account, imports: results }, () => "");
  else if (results.length > 1) output.result(account, () => `\nall ${results.length} files: ${accountLine(account)}`);
  if (results.some(({ stopped }) => stopped)) throw new Ended(exitCodes.failed);
}

type Line = { readonly id: string } | { readonly progress: ImportProgress } | { readonly report: ImportResult };

async function importOne(
  { output }: Context,
  { api }: Session,
  { layout, feed, dataset, symbol, timeframe, date, zone, encoding }: ImportOptions,
  file: string,
): Promise<ImportResult> {
  const name = path.basename(file);
  const progress = createProgress(output, name);
  const { size } = statSync(file);
  const sending = new AbortController();
  let id: string | undefined;
  const release = onInterrupt(() => {
    output.note("stopping after the batches under way …");
    // Before the server has all of it nothing is stored; after that it is asked, so that it can say what is durable.
    if (id === undefined) sending.abort();
    else void api.post(`/v1/imports/${id}/stop`).catch(() => sending.abort());
  });
  const options = { feed, dataset, symbol, timeframe, date, zone, encoding, layout: layoutOf(layout) };
  const search = searchOf({ name: path.resolve(file).slice(-1_024), ...options });
  const startedMs = performance.now();
  try {
    const lines = uploadFile(
      api,
      `/v1/imports${search}`,
      file,
      (bytes) => progress.show(bytes, size, `${name}: sending`),
      sending.signal,
    );
    for await (const line of lines as AsyncIterable<Line>) {
      if ("id" in line) id = line.id;
      else if ("report" in line) return line.report;
      else progress.show(line.progress.bytesRead, line.progress.totalBytes, rateText(name, line.progress, startedMs));
    }
    throw fail("link_lost");
  } catch (error) {
    if (!sending.signal.aborted) throw error;
    output.note("stopped before anything of this file was stored");
    throw new Ended(exitCodes.failed);
  } finally {
    release();
    progress.end();
  }
}

function rateText(name: string, { account }: ImportProgress, startedMs: number): string {
  const rate = Math.round(account.received / Math.max(0.001, (performance.now() - startedMs) / 1000));
  return `${name}: ${account.received.toLocaleString("en")} rows, ${rate.toLocaleString("en")}/s`;
}

/** A name, or the text of a file that declares one. */
function layoutOf(given: string | undefined): string | undefined {
  if (given === undefined || !given.endsWith(".json")) return given;
  try {
    return JSON.stringify(JSON.parse(readFileSync(given, "utf8")));
  } catch {
    throw usage(`--layout: '${given}' is not a file of JSON`);
  }
}

function resultText(result: ImportResult): string {
  const { source, layout, feed, dataset, account, reasons, seconds, rowsPerSecond, firstPosition, lastPosition } =
    result;
  const took = `${seconds.toFixed(seconds < 10 ? 2 : 1)} s, ${rowsPerSecond.toLocaleString("en")} rows/s`;
  const positions = firstPosition === null ? "none" : `${firstPosition} to ${lastPosition}`;
  const parts = [
    facts([
      ["file", source],
      ["layout", layout],
      ["feed", `${feed} → ${dataset}`],
      ["took", took],
      ["positions", positions],
    ]),
  ];
  if (reasons.length > 0) parts.push(reasonsText(result));
  if (result.stopped) parts.push("stopped: what is counted here is durable, the rest of the file was not brought in");
  else if (account.received > 0 && account.duplicate === account.received) {
    parts.push("nothing new: every row was there already");
  } else if (account.accepted === 0) parts.push("nothing new was accepted");
  parts.push(printable(accountLine(account)));
  return parts.join("\n\n");
}

function reasonsText({ account, reasons }: ImportResult): string {
  const listed = (outcome: string): number =>
    reasons.reduce((sum, reason) => sum + (reason.outcome === outcome ? reason.rows : 0), 0);
  // Of each batch at most 1,000 such rows come with their reason; the account has all.
  const rest = (["quarantined", "refused"] as const)
    .map((outcome) => ({ outcome, code: "(not told one by one)", rows: account[outcome] - listed(outcome) }))
    .filter(({ rows }) => rows > 0);
  return table(
    [...reasons, ...rest],
    [
      { title: "outcome", value: ({ outcome }) => outcome },
      {
        title: "reason",
        value: (reason) => `${reason.code}${"rule" in reason && reason.rule ? ` (${reason.rule})` : ""}`,
      },
      { title: "rows", value: ({ rows }) => rows, right: true },
    ],
  );
}
