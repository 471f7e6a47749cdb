/**
 * Views: projections of the log into some engine, each with its own position kept atomically with its own data, so
 * that every commit takes effect exactly once and a view can be dropped and rebuilt.
 */
import type { MillpondError } from "../base/index.ts";
import type { Batch } from "../batch/index.ts";
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
