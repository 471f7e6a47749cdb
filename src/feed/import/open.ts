/**
 * A file as a source of batches: streamed, with bounded memory, every line accounted for. The session of an import
 * names the content (feed, layout and bytes) and the run: bringing the same file again is a new run through the gate,
 * whose rows all come out as duplicates.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { type Environment, fail } from "../../base/index.ts";
import type { Batch, Layout, Value } from "../../batch/index.ts";
import { createZone, type Zone } from "../zone.ts";
import { cellsOfLine } from "./cells.ts";
import { dukascopyParts } from "./dukascopy.ts";
import { type FileEntry, type ImportLimits, importLimits, openEntries, type ReadCount } from "./entries.ts";
import { type CsvLayout, type FileFact, factsOf, type ImportLayout } from "./layout.ts";
import { importLayout } from "./layouts.ts";
import { readLines } from "./lines.ts";
import { type FileContext, RowBuilder } from "./row-builder.ts";

export interface ImportOptions {
  readonly environment: Environment;
  readonly feed: string;
  readonly zone?: string;
  readonly symbol?: string;
  readonly timeframe?: string;
  /** YYYYMMDD. */
  readonly date?: string;
  readonly encoding?: "utf-8" | "latin1";
  /** Default 5,000. */
  readonly rowsPerBatch?: number;
  readonly limits?: Partial<ImportLimits>;
}

export interface ImportBatch {
  /** In the layout `facts` of the source; readable rows only. */
  readonly facts: Batch;
  /** Places among all rows of the batch; problems name file and line. */
  readonly unreadable: readonly { readonly place: number; readonly raw: string; readonly problem: string }[];
  /** Bytes of the file on disk so far. */
  readonly bytesRead: number;
}

export interface ImportSource {
  /** The file's name, without folders. */
  readonly name: string;
  readonly layout: string;
  readonly facts: Layout;
  readonly session: string;
  readonly totalBytes: number;
  /** May be called once. @throws `import_file_refused`, `import_option_missing` */
  batches(): AsyncIterable<ImportBatch>;
}

/** @throws `import_layout_unknown`, `import_option_missing`, `import_file_refused`, `time_zone_unknown` */
export async function openImport(
  path: string,
  layout: string | ImportLayout,
  options: ImportOptions,
): Promise<ImportSource> {
  const declared = typeof layout === "string" ? importLayout(layout) : layout;
  const zone = options.zone ?? declared.zone ?? zoneByPath(declared, path);
  if (zone === undefined)
    throw fail("import_option_missing", {
      layout: declared.name,
      option: "zone",
      problem: "its times are local and the file does not say where",
    });
  createZone(zone);
  const hash = createHash("sha256").update(JSON.stringify([options.feed, declared, zone]));
  const { size } = await stat(path).catch((error: unknown) => {
    throw fail("import_file_refused", { problem: "it cannot be opened" }, error);
  });
  for await (const chunk of createReadStream(path, { highWaterMark: 1_048_576 })) hash.update(chunk as Buffer);
  const run = options.environment.newId();
  const read = { bytes: 0 };
  return {
    name: basename(path),
    layout: declared.name,
    facts: factsOf(declared),
    session: `import/${hash.digest("hex").slice(0, 16)}/${run}`,
    totalBytes: size,
    batches: () => readFile(path, declared, zone, options, read),
  };
}

function zoneByPath(layout: ImportLayout, path: string): string | undefined {
  const words = path.toLowerCase();
  return Object.entries(layout.zoneByPath ?? {}).find(([word]) => words.includes(word))?.[1];
}

async function* readFile(
  path: string,
  layout: ImportLayout,
  zone: string,
  options: ImportOptions,
  read: ReadCount,
): AsyncGenerator<ImportBatch> {
  const limits = { ...importLimits, ...options.limits };
  for await (const entry of openEntries(path, limits, read)) {
    const context = contextOf(layout, entry.name, path, zone, options);
    if (layout.kind === "csv") yield* csvBatches(layout, entry, context, limits, options, read);
    else {
      const text = await wholeText(entry, limits.wholeBytes);
      for (const part of dukascopyParts(text, factsOf(layout), context.facts, context.rows))
        yield { ...part, bytesRead: read.bytes };
    }
  }
}

async function* csvBatches(
  layout: CsvLayout,
  entry: FileEntry,
  context: FileContext,
  limits: ImportLimits,
  options: ImportOptions,
  read: ReadCount,
): AsyncGenerator<ImportBatch> {
  const facts = factsOf(layout);
  let rows = layout.header ? undefined : new RowBuilder(facts, layout, context, undefined);
  let unreadable: ImportBatch["unreadable"][number][] = [];
  for await (const block of readLines(entry.chunks, options.encoding ?? layout.encoding ?? "utf-8", limits.lineBytes)) {
    for (let index = 0; index < block.lines.length; index++) {
      const line = block.lines[index]!;
      if (line === "") continue;
      const cells = typeof line === "string" ? cellsOfLine(line, layout.delimiter, limits.columns) : line.problem;
      if (rows === undefined) {
        if (typeof cells === "string")
          throw fail("import_file_refused", { problem: `its header is unusable: ${cells}` });
        rows = new RowBuilder(facts, layout, context, cells);
        continue;
      }
      const problem = typeof cells === "string" ? cells : rows.add(cells);
      if (problem !== null) {
        const raw = typeof line === "string" ? line.slice(0, 65_536) : line.raw;
        const place = rows.count + unreadable.length;
        unreadable.push({ place, raw, problem: `line ${block.firstLine + index} of ${entry.name}: ${problem}` });
      }
      if (rows.count + unreadable.length < context.rows) continue;
      yield { facts: rows.take(), unreadable, bytesRead: read.bytes };
      unreadable = [];
    }
  }
  if (rows && rows.count + unreadable.length > 0) yield { facts: rows.take(), unreadable, bytesRead: read.bytes };
}

async function wholeText(entry: FileEntry, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of entry.chunks) {
    bytes += chunk.length;
    if (bytes > limit) throw fail("import_file_refused", { problem: `JSON of more than ${limit} bytes` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

const TIMEFRAMES: Readonly<Record<string, string>> = { Daily: "D1", Weekly: "W1", Monthly: "MN1", MN: "MN1" };

function contextOf(
  layout: ImportLayout,
  entryName: string,
  path: string,
  zone: string,
  options: ImportOptions,
): FileContext {
  const named = { ...namedFacts(layout, basename(path)), ...namedFacts(layout, entryName) };
  const facts: Record<string, Value> = { ...layout.constants };
  for (const fact of layout.needs ?? []) {
    const value = options[fact] ?? facts[fact] ?? named[fact];
    if (value === undefined || value === null)
      throw fail("import_option_missing", {
        layout: layout.name,
        option: fact,
        problem: `the name '${entryName.slice(0, 100)}' does not tell it`,
      });
    facts[fact] = normalFact(fact, String(value));
  }
  const zones = new Map<string, Zone>();
  return {
    facts,
    rows: options.rowsPerBatch ?? 5_000,
    midnight: () => midnightOf(String(facts.date)),
    zoneOf: (name) => {
      // A zone given for this run replaces the declared ones.
      const wanted = options.zone ?? name ?? zone;
      const known = zones.get(wanted) ?? createZone(wanted);
      zones.set(wanted, known);
      return known;
    },
  };
}

function namedFacts(layout: ImportLayout, name: string): Partial<Record<FileFact, string>> {
  for (const pattern of layout.fileName ?? []) {
    const groups = new RegExp(pattern).exec(name.slice(0, 255))?.groups;
    if (groups) return groups;
  }
  return {};
}

function normalFact(fact: FileFact, value: string): string {
  if (fact === "timeframe") return TIMEFRAMES[value] ?? value;
  // Names of files are often in small letters where the symbol itself is not.
  return fact === "symbol" && value === value.toLowerCase() ? value.toUpperCase() : value;
}

function midnightOf(date: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)$/.exec(date);
  return match ? Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])) * 1000 : Number.NaN;
}
