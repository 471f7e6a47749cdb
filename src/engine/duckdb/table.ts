/** One dataset's table: its columns, its dictionaries, and the writer that is open while rows are gathered. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { assert } from "../../base/index.ts";
import { decodeBatch } from "../../batch/index.ts";
import type { ContractVersion } from "../../contract/index.ts";
import { Dictionary } from "./dictionary.ts";
import {
  dictionaryName,
  dictionaryTable,
  isDictionaryField,
  PLACE_COLUMN,
  POSITION_COLUMN,
  quoted,
  readableView,
  SUPERSEDES_COLUMN,
  tableName,
} from "./names.ts";
import { type StoredKind, sqlTypeOf, storedKind } from "./native.ts";
import type { TableState } from "./protocol.ts";
import { readAll } from "./read.ts";
import { keyText, MOST_KEYS, SupersedeMarker } from "./supersedes.ts";
import { TableWriter } from "./writer.ts";

export interface TableColumn {
  readonly field: string;
  readonly kind: StoredKind;
  readonly dictionary?: Dictionary;
}

/** Where in the batches of one contract version the table's columns, the key and the time lie; -1 for nowhere. */
interface Places {
  readonly sources: readonly number[];
  readonly key: readonly number[];
  readonly time: number;
}

const NO_MARKS = new Uint8Array(0);

export class Table {
  readonly dataset: string;
  readonly columns: TableColumn[] = [];
  readonly versions = new Map<number, ContractVersion>();
  /** Rows handed over, and how many of them are durable. */
  rows = 0;
  storedRows = 0;
  /** Rows marked as superseding an earlier one, with those not durable yet. */
  #marked = 0;
  #storedMarked = 0;
  #writer: TableWriter | undefined;
  /** Whether rows are marked that may supersede earlier ones. Fixed when the table is made. */
  supersedes = false;
  #marker: SupersedeMarker | undefined;
  readonly #places = new Map<number, Places>();

  constructor(dataset: string) {
    this.dataset = dataset;
  }
  get newest(): ContractVersion {
    let newest: ContractVersion | undefined;
    for (const version of this.versions.values()) {
      if (newest === undefined || version.version > newest.version) newest = version;
    }
    assert(newest, "a table has a contract");
    return newest;
  }
  get systemColumns(): readonly string[] {
    const origin = [POSITION_COLUMN, PLACE_COLUMN];
    return this.supersedes ? [...origin, SUPERSEDES_COLUMN] : origin;
  }
  get writing(): boolean {
    return this.#writer !== undefined;
  }
  column(field: string): TableColumn {
    const column = this.columns.find((candidate) => candidate.field === field);
    assert(column, "a declared field has a column");
    return column;
  }
  state(): TableState {
    return {
      dataset: this.dataset,
      columns: this.columns.map(({ field, dictionary }) => ({ field, dictionary: dictionary !== undefined })),
      supersedes: this.#storedMarked > 0,
      rows: this.storedRows,
    };
  }

  /** Statements that make the table fit a contract version; run inside the caller's transaction. */
  async declare(connection: DuckDBConnection, contract: ContractVersion): Promise<void> {
    const { name, layout } = contract.contract;
    if (this.versions.size === 0) {
      const system = [`${POSITION_COLUMN} BIGINT NOT NULL`, `${PLACE_COLUMN} INTEGER NOT NULL`];
      this.supersedes = contract.contract.identity === "keyTime";
      if (this.supersedes) system.push(`${SUPERSEDES_COLUMN} BOOLEAN NOT NULL`);
      await connection.run(`CREATE TABLE ${tableName(name)} (${system.join(", ")})`);
    }
    for (const { name: field, type } of layout) {
      // A compatible version only adds fields; what is stored keeps its form.
      if (this.columns.some((column) => column.field === field)) continue;
      const kind = storedKind(type, isDictionaryField(contract, field));
      await connection.run(`ALTER TABLE ${tableName(name)} ADD COLUMN ${quoted(field)} ${sqlTypeOf(kind)}`);
      if (kind === "integer") {
        await connection.run(
          `CREATE TABLE ${dictionaryName(name, field)} (id INTEGER NOT NULL, text VARCHAR NOT NULL)`,
        );
      }
      this.#addColumn(field, kind, []);
    }
    this.versions.set(contract.version, contract);
    this.#places.clear();
    await connection.run(this.readableView());
  }

  readableView(spelledOut?: string): string {
    const dictionaries = this.columns.filter(({ dictionary, field }) => dictionary && field !== spelledOut);
    return readableView(this.newest, new Set(dictionaries.map(({ field }) => field)));
  }
  spelledOut(field: string): void {
    this.columns[this.columns.indexOf(this.column(field))] = { field, kind: "varchar" };
  }

  /** Brings back what the file holds: the columns in stored order, dictionaries, counts. */
  async load(connection: DuckDBConnection, columns: readonly (readonly [string, StoredKind])[]): Promise<void> {
    this.supersedes = this.newest.contract.identity === "keyTime";
    for (const [field, kind] of columns) {
      const texts =
        kind === "integer"
          ? await readAll(connection, `SELECT text FROM ${dictionaryName(this.dataset, field)} ORDER BY id`)
          : [];
      this.#addColumn(
        field,
        kind,
        texts.map(([text]) => text as string),
      );
    }
    const [count] = await readAll(connection, `SELECT coalesce(max(rowid) + 1, 0) FROM ${tableName(this.dataset)}`);
    this.rows = Number(count![0]);
    this.storedRows = this.rows;
    if (!this.supersedes) return;
    const marked = `SELECT count(*) FROM ${tableName(this.dataset)} WHERE ${SUPERSEDES_COLUMN}`;
    this.#marked = Number((await readAll(connection, marked))[0]![0]);
    this.#storedMarked = this.#marked;
  }
  #addColumn(field: string, kind: StoredKind, texts: readonly string[]): void {
    this.columns.push({ field, kind, ...(kind === "integer" ? { dictionary: new Dictionary(texts) } : {}) });
  }

  /** Opens the writer; the connection must be in a transaction until `flush` or `discard`. */
  async prepare(connection: DuckDBConnection): Promise<void> {
    if (this.supersedes) this.#marker ??= new SupersedeMarker(await this.#newestTimes(connection));
    const appender = await connection.createAppender(this.dataset, "stored");
    this.#writer = new TableWriter(appender, this.columns, this.supersedes);
  }
  append(bytes: Uint8Array, contract: number, position: number, firstPlace: number): number {
    const batch = decodeBatch(bytes);
    const { sources, key, time } = this.#placesOf(contract);
    const marks = this.#marker?.marks(batch, key, time) ?? NO_MARKS;
    this.#writer!.append(batch, sources, position, firstPlace, marks);
    this.rows += batch.count;
    for (const mark of marks) this.#marked += mark;
    return batch.count;
  }
  #placesOf(version: number): Places {
    let places = this.#places.get(version);
    if (places === undefined) {
      const contract = this.versions.get(version)?.contract;
      assert(contract, "a contract version is declared before its rows come");
      const placeOf = (field: string): number => contract.layout.findIndex(({ name }) => name === field);
      const sources = this.columns.map(({ field }) => placeOf(field));
      places = { sources, key: contract.key.map(placeOf), time: placeOf(contract.time) };
      this.#places.set(version, places);
    }
    return places;
  }

  /** Everything appended becomes part of the connection's transaction, new dictionary texts too. */
  async flush(connection: DuckDBConnection): Promise<void> {
    this.#writer?.flush();
    for (const { field, dictionary } of this.columns) {
      if (!dictionary || dictionary.firstNew === dictionary.texts.length) continue;
      const appender = await connection.createAppender(dictionaryTable(this.dataset, field), "dictionary");
      for (let id = dictionary.firstNew; id < dictionary.texts.length; id++) {
        appender.appendInteger(id);
        appender.appendVarchar(dictionary.texts[id]!);
        appender.endRow();
      }
      appender.closeSync();
      dictionary.markHandedOver();
    }
  }
  committed(): void {
    this.storedRows = this.rows;
    this.#storedMarked = this.#marked;
    for (const { dictionary } of this.columns) dictionary?.markStored();
  }
  discard(): void {
    this.#writer?.discard();
    this.#writer = undefined;
    this.rows = this.storedRows;
    this.#marked = this.#storedMarked;
    for (const { dictionary } of this.columns) dictionary?.forgetNew();
  }
  closeWriter(): void {
    this.#writer?.close();
    this.#writer = undefined;
  }

  async #newestTimes(connection: DuckDBConnection): Promise<Map<string, number>> {
    const { key, time } = this.newest.contract;
    const keys = key.map((name) => quoted(name));
    const rows = await readAll(
      connection,
      `SELECT ${[...keys, `max(${quoted(time)})`].join(", ")} FROM ${tableName(this.dataset)} GROUP BY ${keys.join(", ")} LIMIT ${MOST_KEYS}`,
    );
    const newest = new Map<string, number>();
    for (const row of rows) {
      const values = key.map((name, index) => this.column(name).dictionary?.texts[Number(row[index])] ?? row[index]);
      // Whole numbers come as bigints, which neither JSON nor the cells of a batch know.
      const cells = values.map((value) => (typeof value === "bigint" ? Number(value) : value));
      newest.set(keyText(cells), Number(row[key.length]));
    }
    return newest;
  }
}
