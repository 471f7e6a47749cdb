/**
 * The log: one ordered, durable, hash-chained sequence of commits. Everything else (tables, series, caches, topics) is
 * a view of it. The port `LogStore` sits at the level of the promise: `append` resolves when the drafts are durable.
 */
import type { MillpondError } from "../base/index.ts";
import type { Batch } from "../batch/index.ts";

/** The dense integer of a commit: the first is 1; 0 stands before all. */
export type Position = number;

/** How the rows of a change relate to what its dataset holds. */
export type Operation =
  | "append"
  /** Each row supersedes the stored row of the same key and time. */
  | "correct";

/** Rows of one dataset, in the layout of one version of its contract. `bytes` is `encodeBatch(batch)`. */
export interface Change {
  readonly dataset: string;
  readonly contract: number;
  readonly operation: Operation;
  readonly batch: Batch;
  readonly bytes: Uint8Array;
}

/** received = accepted + duplicate + quarantined + late + refused, always. */
export interface Account {
  readonly received: number;
  readonly accepted: number;
  readonly duplicate: number;
  readonly quarantined: number;
  readonly late: number;
  readonly refused: number;
}

/** Why a commit exists; plain JSON. */
export type Cause =
  | {
      /** One batch of a feed's session (also an import, and rows appended over the API). */
      readonly kind: "feed";
      readonly feed: string;
      readonly session: string;
      /** 1, 2, 3 … within the session: a batch number seen before is a repetition and stores nothing. */
      readonly batch: number;
      readonly dataset: string;
      readonly account: Account;
      /** Places in the received batch that were not accepted, as `[first, count, outcome]`; absent when all were. */
      readonly notAccepted?: readonly (readonly [number, number, string])[];
      /** Rules that did not hold on accepted rows (declared to be counted, not to reject). */
      readonly breaches?: Readonly<Record<string, number>>;
      readonly outOfOrder?: number;
    }
  | {
      /** Rows derived by a flow from the commits in (after, through]. */
      readonly kind: "flow";
      readonly flow: string;
      readonly after: Position;
      readonly through: Position;
      /** Per corrected row of the change: which source row reopened it. */
      readonly corrections?: readonly Correction[];
    }
  | { readonly kind: "contract"; readonly dataset: string; readonly version: number }
  | {
      /**
       * A feed's session began, fell idle or ended. With a watermark: no more rows with an event time below it are to
       * be expected from this session, so windows up to there may close.
       */
      readonly kind: "session";
      readonly feed: string;
      readonly session: string;
      readonly event: "opened" | "idle" | "ended";
      readonly watermark?: number;
    }
  | { readonly kind: "retry"; readonly rows: readonly string[]; readonly account: Account }
  /** An operator opened the log although commits up to `acknowledged` were missing from its end. */
  | { readonly kind: "loss"; readonly head: Position; readonly acknowledged: Position };

export interface Correction {
  /** Place in the change's batch. */
  readonly place: number;
  readonly reason: "late_row" | "correction";
  /** The source row that made it necessary. */
  readonly position: Position;
  readonly sourcePlace: number;
  /** The superseded cells in layout order. */
  readonly replaced: readonly (number | string | boolean | null)[];
}

/** What must hold at the moment of commit, or the draft fails with `log_conflict` and nothing is written. */
export type Precondition =
  /** No commit after this position touches the dataset. */
  | { readonly dataset: string; readonly unchangedSince: Position }
  /** The log ends exactly here. */
  | { readonly head: Position };

/** A commit that waits to be one. */
export interface Draft {
  /** The principal, as `user:ann`, `feed:mt5`, `flow:candles_1m`, `system`. */
  readonly actor: string;
  readonly cause: Cause;
  readonly changes: readonly Change[];
  readonly preconditions?: readonly Precondition[];
}

export interface Commit {
  readonly position: Position;
  /** Microseconds; never smaller than that of the commit before, whatever the clock did. */
  readonly at: number;
  readonly actor: string;
  readonly cause: Cause;
  readonly changes: readonly Change[];
  /** Hash of the commit before; 32 zero bytes for the first. */
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
}

export interface Receipt {
  readonly position: Position;
  readonly at: number;
  readonly hash: Uint8Array;
}

export interface Head {
  readonly position: Position;
  readonly hash: Uint8Array;
  readonly at: number;
}

export interface ReadLimit {
  /** At most this many commits … */
  readonly commits?: number;
  /** … and, after the first, at most this many payload bytes. */
  readonly bytes?: number;
  /** Only commits that touch one of these datasets. */
  readonly datasets?: readonly string[];
  /** Not beyond this position. */
  readonly through?: Position;
}

/**
 * What an engine provides.
 *
 * Implementers MUST: give positions in the order of `append` calls, dense, from 1; write the drafts of one call whole
 * or not at all; resolve `append` only when the commits survive a power cut; settle calls in the order they were made,
 * and those of one durable group in one synchronous stretch; on a failed sync or a full disk reject every call that
 * was not durable in one synchronous stretch, including those queued behind the failed one (they were judged on top of
 * it), and never report success later; on an unmet precondition reject that call alone (`log_conflict`); keep reads
 * working when writes fail; notice at `open` when acknowledged commits are missing from the end (`log_tail_lost`).
 *
 * Callers MUST NOT change a draft after handing it over.
 *
 * Errors of `append`: `log_conflict`, `log_storage_full` (nothing was stored; later calls may succeed),
 * `log_read_only` (until reopened; what was rejected with it may or may not be found then), `log_closed`.
 */
export interface LogStore {
  /** The last durable commit; position 0 and 32 zero bytes where there is none. */
  readonly head: Head;
  append(drafts: readonly Draft[]): Promise<readonly Receipt[]>;
  /** Commits after a position, ascending; empty when there are none yet. */
  read(after: Position, limit?: ReadLimit): Promise<readonly Commit[]>;
  /** The last commit at or before an instant; 0 where there is none. */
  positionAt(at: number): Promise<Position>;
  /** Recomputes every hash from the stored bytes, from a position (1 unless told) to the head. */
  verify(from?: Position, onProgress?: (position: Position) => void): Promise<VerifyReport>;
  figures(): StoreFigures;
  /** Makes what was appended durable, then lets go of everything. */
  close(): Promise<void>;
}

export interface VerifyReport {
  /** How many commits were found in order before the end or the fault. */
  readonly commits: number;
  readonly head: Head;
  /** The first commit whose hash or order is wrong; absent when all is well. */
  readonly fault?: { readonly position: Position; readonly problem: string };
}

export interface StoreFigures {
  readonly waitingDrafts: number;
  readonly waitingBytes: number;
  readonly storedBytes: number;
  /** Commits and durable groups since open. */
  readonly commits: number;
  readonly groups: number;
  /** Why writes are refused, or the last background work that failed: present means unhealthy. */
  readonly lastError?: string;
}

export interface LogOptions {
  /** Payload bytes of the newest commits kept in memory for followers. Default 64 MiB. */
  readonly tailBytes?: number;
  /** More than this waiting to become durable is refused with `overloaded`. Default 64 MiB. */
  readonly maxWaitingBytes?: number;
  /** Default 65,536. */
  readonly maxWaitingDrafts?: number;
}

export interface FollowOptions {
  /** Ends the iteration, without an error. */
  readonly signal: AbortSignal;
  /** Per step: at most this much; `through` ends the whole iteration there. */
  readonly limit?: ReadLimit;
}

export interface LogFigures {
  readonly head: Head;
  readonly waitingDrafts: number;
  readonly waitingBytes: number;
  readonly tailCommits: number;
  readonly tailBytes: number;
  readonly followers: number;
  /** Failed groups since open. */
  readonly failures: number;
  readonly store: StoreFigures;
}

/** What the other rooms hold: the store plus grouping, limits, the live tail and its followers. */
export interface Log {
  /** The newest commit the taps were told of. */
  readonly head: Head;
  /**
   * Resolves when the draft is durable and every tap has seen it. Drafts appended in the same turn go to the store
   * together. Rejects with the store's errors, or at once with `overloaded` when too much waits.
   */
  append(draft: Draft): Promise<Receipt>;
  /**
   * Calls back with each durable group, in order, synchronously, before its `append` promises resolve. A listener
   * that throws is logged; the others still run. Returns the function that ends it.
   */
  tap(listener: (run: readonly Commit[]) => void): () => void;
  /**
   * Calls back when a group failed, before its `append` promises reject: everything that waited is rejected with it,
   * and whoever judged drafts on top of those must forget them before appending again.
   */
  onFailure(listener: (error: MillpondError) => void): () => void;
  /**
   * Every commit after a position exactly once, in order: first stored ones, then live ones. Holds only a position
   * between steps, so a slow consumer costs nothing. With `limit.datasets` only commits that touch one of them.
   * @throws `log_position_unknown` beyond the head; `log_closed` when the log closed before everything was given.
   */
  follow(after: Position, options: FollowOptions): AsyncIterable<readonly Commit[]>;
  /** @throws `log_closed` */
  read(after: Position, limit?: ReadLimit): Promise<readonly Commit[]>;
  positionAt(at: number): Promise<Position>;
  verify(from?: Position, onProgress?: (position: Position) => void): Promise<VerifyReport>;
  /** Resolves when the head is at or beyond a position. Rejects with the signal's reason, or `log_closed`. */
  waitFor(position: Position, signal?: AbortSignal): Promise<void>;
  figures(): LogFigures;
  /** Refuses new drafts, waits for those under way, closes the store. */
  close(): Promise<void>;
}
