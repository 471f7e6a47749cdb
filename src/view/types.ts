/**
 * Views: projections of the log into some engine, each with its own position kept atomically with its own data, so
 * that every commit takes effect exactly once and a view can be dropped and rebuilt.
 */
import type { MillpondError } from "../base/index.ts";
import type { Batch, Layout } from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import type { Commit, Position } from "../log/index.ts";

/**
 * Implementers MUST apply a run and move their position in one transaction of their own engine (they may gather runs
 * before that transaction), refuse a run that does not start right behind what they hold, and after a crash report
 * the position their durable data stands at. When they lose gathered runs to a failure, `position` goes back to
 * `durablePosition` and the listeners are told: whoever feeds them starts again from there.
 *
 * Every stored row keeps its origin: the position of its commit, and its place, counted over all rows of its dataset
 * in that commit.
 */
export interface View {
  readonly name: string;
  /** Applied, though maybe not yet durable in the view's own engine. */
  readonly position: Position;
  /** What a crash would leave. */
  readonly durablePosition: Position;
  /** Hash of the commit at `durablePosition` in lower-case hex, so that a view of another history is noticed. */
  readonly durableHash: string;
  /** Told before the first commit of a contract version is applied. Repeating it changes nothing. */
  declare(contract: ContractVersion): Promise<void>;
  /**
   * Resolves when the view took the run over, later where too much waits already.
   * @throws `view_gap`, `view_closed`
   */
  apply(run: readonly Commit[]): Promise<void>;
  /** Makes all that was applied visible to queries and durable. @throws `view_failed` where that was lost */
  flush(): Promise<void>;
  /** Calls back whenever applied runs were lost. Returns the function that ends it. */
  onFailure(listener: (error: MillpondError) => void): () => void;
  /** All rows of a dataset as stored (every revision) in log order, for verification; system columns left out. */
  scan(dataset: string, through?: Position): AsyncIterable<Batch>;
  /** Empties the view and sets its position to 0; declared contracts are forgotten with it. */
  drop(): Promise<void>;
  /** What was applied becomes durable first where that is possible. */
  close(): Promise<void>;
}

/** A view that can answer plans, such as the series in DuckDB. */
export interface QueryEngine {
  /** How a declared dataset is stored; undefined before it was declared. Statements are compiled against it. */
  table(dataset: string): StoredTable | undefined;
  /**
   * Runs a compiled statement with bound values; rows come as a batch in the given layout.
   * @throws `query_failed`, `query_too_large`, and the signal's reason once it aborts
   */
  select(statement: Statement, layout: Layout, signal?: AbortSignal): Promise<Batch>;
}

/** One dataset in a SQL engine: one row per stored row, in log order by `rowNumber`. */
export interface StoredTable {
  /** The table's name as it stands in a statement, quoted. */
  readonly name: string;
  readonly columns: ReadonlyMap<string, StoredColumn>;
  /** Name of a column of integers from 0 that follows log order. */
  readonly rowNumber: string;
  /** Above every row number. */
  readonly rowNumberLimit: number;
  /**
   * Where later rows corrected earlier ones of the same key and time: a boolean column that is true for every row that
   * may supersede another, so that no others need be looked at. Absent while there is no such row.
   */
  readonly supersedes?: string;
}

export interface StoredColumn {
  /** The column's name, quoted. */
  readonly name: string;
  /**
   * Set where the column holds integer ids: the quoted name of the table with the columns `id` and `text`, and the
   * name by which a statement asks that ids of an output column become texts.
   */
  readonly dictionary?: { readonly table: string; readonly reference: string };
}

export interface Statement {
  readonly text: string;
  readonly values: readonly (number | string | boolean | null)[];
  /** Per output column the dictionary whose ids it holds, or null; absent where no column holds ids. */
  readonly dictionaries?: readonly (string | null)[];
}

/** The newest row of each key, in memory. */
export interface Latest {
  /** By key values in the order of the contract's key; undefined where the key was never seen. */
  get(dataset: string, key: readonly (string | number | boolean)[]): LatestRow | undefined;
  /** All keys of a dataset, one row each. */
  all(dataset: string): Batch;
  keys(dataset: string): number;
}

export interface LatestRow {
  readonly row: Readonly<Record<string, number | string | boolean | null>>;
  /** The commit it came with, and its place among the rows of its dataset in that commit. */
  readonly position: Position;
  readonly place: number;
}

export interface ViewReport {
  readonly view: string;
  readonly dataset: string;
  readonly position: Position;
  readonly rows: number;
  readonly hash: string;
  /** What the log holds up to the same position. */
  readonly expectedRows: number;
  readonly expectedHash: string;
  readonly equal: boolean;
}

/** A saved fold. It is used only where the log holds a commit of this hash at this position. */
export interface Snapshot {
  readonly fold: string;
  readonly version: number;
  readonly position: Position;
  /** Lower-case hex. */
  readonly hash: string;
  /** What `Fold.save` gave: plain data. */
  readonly saved: unknown;
}

/**
 * Where snapshots are kept. `write` replaces the one of that name as a whole or not at all; `read` gives undefined
 * where there is none and throws `snapshot_damaged` for one that is not as it was written.
 */
export interface SnapshotStore {
  read(name: string): Promise<Snapshot | undefined>;
  write(name: string, snapshot: Snapshot): Promise<void>;
}
