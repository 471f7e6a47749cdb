/**
 * The series in one DuckDB file, as the worker holds it. One connection writes: rows are gathered in its open
 * transaction, and the position becomes durable in the same commit. Committing is dear, so it is done seldom: after so
 * many rows, so long after the first gathered row, or when a reader must be fresh. Calls run one after another.
 */
import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { fail } from "../../base/index.ts";
import type { ContractVersion } from "../../contract/index.ts";
import type { Position } from "../../log/index.ts";
import { corrupt, FILE_FORMAT, LAYOUT_STATEMENTS, openInstance, VIEW_NAME } from "./file.ts";
import type { StoredKind } from "./native.ts";
import { CHANGE_NUMBERS, type CommitFigures, type PackedRun, type StoreState, type WorkerOptions } from "./protocol.ts";
import { readAll } from "./read.ts";
import { spellOut } from "./spell-out.ts";
import { Table } from "./table.ts";

export interface StoreEvents {
  durable(state: StoreState, figures: CommitFigures): void;
  failed(problem: string, state: StoreState): void;
}

export class SeriesStore {
  readonly instance: DuckDBInstance;
  readonly tables = new Map<string, Table>();
  readonly #writer: DuckDBConnection;
  readonly #options: WorkerOptions;
  readonly #events: StoreEvents;
  #position: Position = 0;
  #hash = "";
  #durable: Position = 0;
  #durableHash = "";
  #gathered = 0;
  #inTransaction = false;
  #cancelTimer: (() => void) | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(instance: DuckDBInstance, writer: DuckDBConnection, options: WorkerOptions, events: StoreEvents) {
    this.instance = instance;
    this.#writer = writer;
    this.#options = options;
    this.#events = events;
  }

  /** @throws `view_corrupt`, `view_locked` */
  static async open(options: WorkerOptions, events: StoreEvents): Promise<SeriesStore> {
    const instance = await openInstance(options);
    try {
      const store = new SeriesStore(instance, await instance.connect(), options, events);
      await store.#load();
      return store;
    } catch (error) {
      instance.closeSync();
      throw error instanceof Error && error.name === "MillpondError"
        ? error
        : corrupt(String(error).split("\n")[0]!, error);
    }
  }
  get state(): StoreState {
    return {
      position: this.#durable,
      hash: this.#durableHash,
      tables: [...this.tables.values()].map((table) => table.state()),
    };
  }

  /** Runs a step after all earlier ones; steps never overlap. */
  serial<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(step);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #load(): Promise<void> {
    const schemas = await readAll(
      this.#writer,
      "SELECT 1 FROM information_schema.tables WHERE table_schema = 'millpond' AND table_name = 'view'",
    );
    if (schemas.length === 0) await this.#layOut();
    const [view] = await readAll(this.#writer, "SELECT format, position, hash FROM millpond.view");
    if (!view || view[0] !== FILE_FORMAT) throw corrupt(`format ${String(view?.[0])}`);
    this.#durable = Number(view[1]);
    this.#durableHash = view[2] as string;
    this.#position = this.#durable;
    this.#hash = this.#durableHash;
    const datasets = await readAll(this.#writer, "SELECT DISTINCT dataset FROM millpond.contracts ORDER BY dataset");
    for (const [dataset] of datasets) await this.#loadTable(dataset as string);
  }
  async #loadTable(dataset: string): Promise<void> {
    const table = new Table(dataset);
    const rows = async (text: string) => (await this.#writer.run(text, [dataset])).getRows();
    for (const [text] of await rows("SELECT contract FROM millpond.contracts WHERE dataset = ?")) {
      const contract = JSON.parse(text as string) as ContractVersion;
      table.versions.set(contract.version, contract);
    }
    const columns = await rows("SELECT field, kind FROM millpond.columns WHERE dataset = ? ORDER BY place");
    await table.load(this.#writer, columns as unknown as [string, StoredKind][]);
    this.tables.set(dataset, table);
  }
  async #layOut(): Promise<void> {
    await this.#writer.run("BEGIN");
    for (const statement of LAYOUT_STATEMENTS) await this.#writer.run(statement);
    await this.#writer.run("COMMIT");
  }
  /** Table shapes change only between transactions, so what was gathered is committed first. */
  async declare(contract: ContractVersion): Promise<void> {
    const name = contract.contract.name;
    if (this.tables.get(name)?.versions.has(contract.version)) return;
    await this.#commit();
    const known = this.tables.has(name);
    const table = this.tables.get(name) ?? new Table(name);
    await this.#writer.run("BEGIN");
    try {
      await table.declare(this.#writer, contract);
      await this.#writer.run("INSERT INTO millpond.contracts VALUES (?, ?, ?)", [
        name,
        contract.version,
        JSON.stringify(contract),
      ]);
      await this.#writer.run("DELETE FROM millpond.columns WHERE dataset = ?", [name]);
      for (let place = 0; place < table.columns.length; place++) {
        const { field, kind } = table.columns[place]!;
        await this.#writer.run("INSERT INTO millpond.columns VALUES (?, ?, ?, ?)", [name, place, field, kind]);
      }
      await this.#writer.run("COMMIT");
      this.tables.set(name, table);
    } catch (error) {
      await this.#writer.run("ROLLBACK").catch(() => {});
      if (known) await this.#loadTable(name);
      throw error;
    }
  }

  async apply(run: PackedRun): Promise<void> {
    if (run.after !== this.#position) {
      throw fail("view_gap", { view: VIEW_NAME, position: this.#position, first: run.after + 1 });
    }
    if (!this.#inTransaction) await this.#begin();
    const { numbers, bytes } = run;
    for (let at = 0; at < numbers.length; at += CHANGE_NUMBERS) {
      const dataset = run.datasets[numbers[at + 1]!]!;
      const table = this.tables.get(dataset);
      if (!table) throw fail("view_failed", { view: VIEW_NAME, position: this.#durable }, `${dataset} is not declared`);
      if (!table.writing) await table.prepare(this.#writer);
      const offset = numbers[at + 4]!;
      const change = bytes.subarray(offset, offset + numbers[at + 5]!);
      this.#gathered += table.append(change, numbers[at + 2]!, numbers[at]!, numbers[at + 3]!);
    }
    this.#position = run.through;
    this.#hash = run.hash;
    if (this.#gathered >= this.#options.commitRows) await this.#commit();
  }
  async #begin(): Promise<void> {
    await this.#writer.run("BEGIN");
    this.#inTransaction = true;
    const timer = setTimeout(() => {
      // The going back belongs to the same step: the next one must not gather on top of what is given up.
      void this.serial(() => this.#commit().catch((error: unknown) => this.fail(error)));
    }, this.#options.commitMs);
    this.#cancelTimer = () => clearTimeout(timer);
  }

  /** Everything applied becomes durable and visible to other connections. */
  flush(): Promise<void> {
    return this.#commit();
  }
  async #commit(): Promise<void> {
    if (!this.#inTransaction) return;
    const started = performance.now();
    await this.#handOver();
    const update = `UPDATE millpond.view SET position = ${this.#position}, hash = '${this.#hash}'`;
    await this.#writer.run(update);
    await this.#writer.run("COMMIT");
    this.#endTransaction();
    for (const table of this.tables.values()) table.committed();
    this.#durable = this.#position;
    this.#durableHash = this.#hash;
    const rows = this.#gathered;
    this.#gathered = 0;
    await this.#spellOutLargeDictionaries();
    this.#events.durable(this.state, { rows, elapsedMs: performance.now() - started });
  }
  async #spellOutLargeDictionaries(): Promise<void> {
    for (const table of this.tables.values()) {
      const large = table.columns.filter(
        ({ dictionary }) => dictionary && dictionary.texts.length > this.#options.dictionaryTexts,
      );
      for (const { field } of large) await spellOut(this.#writer, table, field);
    }
  }
  async #handOver(): Promise<void> {
    for (const table of this.tables.values()) if (table.writing) await table.flush(this.#writer);
  }
  #endTransaction(): void {
    this.#inTransaction = false;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const table of this.tables.values()) table.closeWriter();
  }

  /** Gives up what was gathered: the position goes back to the durable one. Must run inside a serial step. */
  async fail(error: unknown): Promise<void> {
    this.#inTransaction = false;
    this.#cancelTimer?.();
    for (const table of this.tables.values()) table.discard();
    await this.#writer.run("ROLLBACK").catch(() => {});
    this.#gathered = 0;
    this.#position = this.#durable;
    this.#hash = this.#durableHash;
    this.#events.failed(error instanceof Error ? error.message : String(error), this.state);
  }

  /** The writer's connection, which sees gathered rows that are not committed yet. Only inside a serial step. */
  async gatheredView(): Promise<DuckDBConnection> {
    await this.#handOver();
    return this.#writer;
  }

  async drop(): Promise<void> {
    if (this.#inTransaction) await this.fail("the view is dropped");
    await this.#writer.run("BEGIN");
    for (const dataset of this.tables.keys()) await this.#writer.run(`DROP VIEW IF EXISTS main."${dataset}"`);
    for (const schema of ["stored", "dictionary", "millpond"]) await this.#writer.run(`DROP SCHEMA ${schema} CASCADE`);
    for (const statement of LAYOUT_STATEMENTS) await this.#writer.run(statement);
    await this.#writer.run("COMMIT");
    this.tables.clear();
    this.#position = 0;
    this.#hash = "";
    this.#durable = 0;
    this.#durableHash = "";
    this.#events.durable(this.state, { rows: 0, elapsedMs: 0 });
  }
  async close(): Promise<void> {
    await this.#commit();
    this.#writer.closeSync();
    this.instance.closeSync();
  }
}
