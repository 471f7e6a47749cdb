/**
 * Reading, beside the writer: each statement and each scan has a connection of its own while it runs, so that it can
 * be interrupted alone. Few run at once; the rest wait their turn. Results leave as encoded batches.
 */
import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult, DuckDBValue } from "@duckdb/node-api";
import { asMillpondError, fail } from "../../base/index.ts";
import { type Batch, decodeBatch, encodeBatch, type Layout, takeRows, valueAt } from "../../batch/index.ts";
import type { Contract } from "../../contract/index.ts";
import type { Statement } from "../../query/index.ts";
import { quoted, tableName, withoutSuperseded } from "./names.ts";
import type { StoredRowsRequest } from "./protocol.ts";
import { batchOfChunks } from "./read.ts";
import type { SeriesStore } from "./store.ts";
import { keyText } from "./supersedes.ts";
import type { Table } from "./table.ts";

/** Each holds one of the process's four threads for such work while it runs; the writer needs one too. */
const MOST_RUNNING = 2;
const SCAN_ROWS = 16 * 2048;
/** With more keys or times than these the time range alone is asked for and the rest is filtered here. */
const MOST_LISTED_KEYS = 1000;
const MOST_LISTED_TIMES = 50_000;

interface Scan {
  readonly connection: DuckDBConnection;
  readonly result: DuckDBResult;
  readonly layout: Layout;
  readonly texts: readonly (readonly string[] | undefined)[];
}

export class Queries {
  readonly #store: SeriesStore;
  readonly #idle: DuckDBConnection[] = [];
  readonly #running = new Map<number, DuckDBConnection>();
  readonly #asked = new Set<number>();
  readonly #cancelled = new Set<number>();
  readonly #scans = new Map<number, Scan>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(store: SeriesStore) {
    this.#store = store;
  }

  /** @throws `query_failed`, `query_too_large` */
  async select(id: number, statement: Statement, layout: Layout, maxRows: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#asked.add(id);
    const connection = await this.#take();
    try {
      if (this.#cancelled.has(id)) throw fail("query_failed", { problem: "it was cancelled" });
      this.#running.set(id, connection);
      const texts = layout.map((_, index) => this.#textsOf(statement.dictionaries?.[index] ?? null));
      const result = await connection.stream(statement.text, statement.values as DuckDBValue[]);
      const chunks: DuckDBDataChunk[] = [];
      for (let rows = 0; ; ) {
        const chunk = await result.fetchChunk();
        if (!chunk || chunk.rowCount === 0) break;
        rows += chunk.rowCount;
        if (rows > maxRows) throw fail("query_too_large", { limit: maxRows });
        chunks.push(chunk);
      }
      return encodeBatch(batchOfChunks(chunks, layout, texts));
    } catch (error) {
      throw readError(error);
    } finally {
      this.#asked.delete(id);
      this.#running.delete(id);
      this.#cancelled.delete(id);
      this.#give(connection);
    }
  }
  cancel(id: number): void {
    const connection = this.#running.get(id);
    if (connection) connection.interrupt();
    else if (this.#asked.has(id)) this.#cancelled.add(id);
  }

  /** Rows of given keys within a time range, in log order, also those not committed yet. Only in a serial step. */
  async storedRows(request: StoredRowsRequest): Promise<Uint8Array<ArrayBuffer>> {
    const { dataset, keysOf, from, through, atTheirTimes } = request;
    const table = this.#table(dataset);
    const { contract } = table.newest;
    const connection = await this.#store.gatheredView();
    const keys = decodeBatch(keysOf);
    const keyPlaces = contract.key.map((name) => contract.layout.findIndex((field) => field.name === name));
    const wanted = new Set<string>();
    for (let place = 0; place < keys.count; place++) {
      wanted.add(keyText(keyPlaces.map((column) => valueAt(keys.columns[column]!, place))));
    }
    const time = `t.${quoted(contract.time)}`;
    const conditions = [`${time} BETWEEN ${Math.floor(from)} AND ${Math.ceil(through)}`];
    // The range lets whole row groups be skipped; the times keep what lies between two far ones out of memory.
    const times = atTheirTimes ? timesOf(keys, contract) : [];
    if (times.length > 0 && times.length <= MOST_LISTED_TIMES) conditions.push(`${time} IN (${times.join(", ")})`);
    const only = table.column(contract.key[0]!);
    if (only.dictionary && contract.key.length === 1 && wanted.size <= MOST_LISTED_KEYS) {
      const ids = [...wanted].map((text) => only.dictionary!.idOf(text)).filter((id) => id !== undefined);
      conditions.push(ids.length === 0 ? "FALSE" : `t.${quoted(only.field)} IN (${ids.join(", ")})`);
    }
    const newest = table.supersedes ? withoutSuperseded(contract) : "";
    const columns = contract.layout.map(({ name }) => `t.${quoted(name)}`).join(", ");
    const result = await connection.run(
      `SELECT ${columns} FROM ${tableName(dataset)} AS t${newest} WHERE ${conditions.join(" AND ")} ORDER BY t.rowid`,
    );
    const rows = batchOfChunks(await result.fetchAllChunks(), contract.layout, this.#textsOfTable(table));
    const places: number[] = [];
    for (let place = 0; place < rows.count; place++) {
      if (wanted.has(keyText(keyPlaces.map((column) => valueAt(rows.columns[column]!, place))))) places.push(place);
    }
    return encodeBatch(places.length === rows.count ? rows : takeRows(rows, places));
  }

  async scanStart(id: number, dataset: string, through: number): Promise<void> {
    const table = this.#table(dataset);
    const { layout } = table.newest.contract;
    const connection = await this.#store.instance.connect();
    const columns = layout.map(({ name }) => quoted(name)).join(", ");
    const result = await connection.stream(
      `SELECT ${columns} FROM ${tableName(dataset)} WHERE _position <= ${through} ORDER BY rowid`,
    );
    this.#scans.set(id, { connection, result, layout, texts: this.#textsOfTable(table) });
  }
  /** The next rows; undefined at the end. */
  async scanNext(id: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const scan = this.#scans.get(id);
    if (!scan) return undefined;
    const chunks: DuckDBDataChunk[] = [];
    for (let rows = 0; rows < SCAN_ROWS; ) {
      const chunk = await scan.result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) break;
      rows += chunk.rowCount;
      chunks.push(chunk);
    }
    return chunks.length === 0 ? undefined : encodeBatch(batchOfChunks(chunks, scan.layout, scan.texts));
  }
  scanEnd(id: number): void {
    this.#scans.get(id)?.connection.closeSync();
    this.#scans.delete(id);
  }
  close(): void {
    for (const connection of this.#running.values()) connection.interrupt();
    for (const id of [...this.#scans.keys()]) this.scanEnd(id);
    for (const connection of this.#idle.splice(0)) connection.closeSync();
  }

  #table(dataset: string): Table {
    const table = this.#store.tables.get(dataset);
    if (!table) throw fail("dataset_unknown", { dataset, known: [...this.#store.tables.keys()] });
    return table;
  }
  #textsOfTable(table: Table): (readonly string[] | undefined)[] {
    return table.newest.contract.layout.map(({ name }) => table.column(name).dictionary?.texts);
  }
  #textsOf(reference: string | null): readonly string[] | undefined {
    if (reference === null) return undefined;
    const [dataset = "", field = ""] = reference.split(".");
    return this.#table(dataset).column(field).dictionary?.texts;
  }

  async #take(): Promise<DuckDBConnection> {
    while (this.#busy >= MOST_RUNNING) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy += 1;
    try {
      return this.#idle.pop() ?? (await this.#store.instance.connect());
    } catch (error) {
      this.#free();
      throw error;
    }
  }
  #give(connection: DuckDBConnection): void {
    this.#idle.push(connection);
    this.#free();
  }
  #free(): void {
    this.#busy -= 1;
    this.#waiting.shift()?.();
  }
}

/** What DuckDB says of a statement may quote values; only the kind of error goes out. */
function readError(error: unknown): Error {
  const known = asMillpondError(error);
  if (known.code !== "internal") return known;
  const problem = error instanceof Error ? error.message : String(error);
  const kind = /^[A-Z][A-Za-z ]*Error/.exec(problem)?.[0] ?? "the engine refused it";
  return fail("query_failed", { problem: kind }, error);
}

/** Distinct event times of rows, whole microseconds. */
function timesOf({ columns, count }: Batch, { layout, time }: Contract): number[] {
  const column = columns[layout.findIndex(({ name }) => name === time)];
  if (column?.kind !== "number") return [];
  return [...new Set(column.values.subarray(0, count))].filter(Number.isSafeInteger);
}
