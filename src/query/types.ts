/**
 * Plans: typed, plain-data questions, the same from REST, CLI, SDK and explain. A plan names fields of one contract;
 * it is checked before any engine sees it, and says which position the answer stands at.
 */
import type { Batch, Layout, Value } from "../batch/index.ts";
import type { Aggregate, Expression } from "../expression/index.ts";
import type { Position } from "../log/index.ts";

export interface Plan {
  readonly dataset: string;
  readonly where?: Expression;
  /** Output columns by name; default all fields of the dataset. Not together with `aggregates`. */
  readonly select?: readonly SelectItem[];
  /** Output columns first: these expressions by name. */
  readonly group?: readonly SelectItem[];
  /** Tumbling windows on the event time, in microseconds: adds the output column `window_start`. */
  readonly window?: { readonly every: number };
  /** Output columns by name, after the group's. */
  readonly aggregates?: Readonly<Record<string, Aggregate>>;
  /** By output column. Ties are always broken by log order, so that pages never overlap. */
  readonly order?: readonly { readonly by: string; readonly descending?: boolean }[];
  /** Default 1,000, most 1,000,000. */
  readonly limit?: number;
  /** The opaque end of the page before. */
  readonly after?: string;
  /** The state as it stood at this position. */
  readonly asOf?: Position;
  /** Wait until the answering view has reached this position. */
  readonly atLeast?: Position;
}

export interface SelectItem {
  readonly as: string;
  readonly value: Expression;
}

export interface Answer {
  readonly layout: Layout;
  readonly batch: Batch;
  /** Everything up to this position is in the answer. */
  readonly position: Position;
  /** Give it as `after` for the next page; absent on the last. */
  readonly next?: string;
  /** Which view answered. */
  readonly view: string;
}

/** Where a row stands in the log; the system columns `_position` and `_place` of every stored row. */
export interface Origin {
  readonly position: Position;
  readonly place: number;
}

/** Of the view behind an engine: what its answers contain, and how to make them contain more. */
export interface AnsweringView {
  readonly name: string;
  /** Queries see everything up to here. */
  readonly durablePosition: Position;
  /** Resolves when queries see everything up to a position. */
  waitFor(position: Position, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** What can answer plans, such as the series in DuckDB. */
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

export type { Value };
