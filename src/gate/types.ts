/**
 * The gate: what every row passes, whatever door it came through. Decode, check, normalise, judge, admit. It gives
 * each row exactly one outcome, and received = accepted + duplicate + quarantined + late + refused for every batch.
 */
import type { Batch } from "../batch/index.ts";
import type { Contract, ContractVersion, FeedPolicy } from "../contract/index.ts";
import type { Account, Draft, Position, Receipt } from "../log/index.ts";
import type { Sessions } from "./sessions.ts";

export type Outcome = "accepted" | "duplicate" | "quarantined" | "late" | "refused";

/** Rows as they arrive, decoded no further than their sender did. */
export type Incoming =
  /** Columns in the contract's layout; values are not yet trusted. */
  | { readonly kind: "columns"; readonly batch: Batch }
  /** Parsed JSON values, supposed to be objects. */
  | { readonly kind: "rows"; readonly rows: readonly unknown[] }
  /** The text of a JSON array (or one object a line), so that hostile text is measured before it is parsed. */
  | { readonly kind: "json"; readonly text: string };

export interface Submission {
  readonly dataset: string;
  readonly feed: string;
  /** Names a run of numbered batches of the feed; a new connection may go on with an old session. */
  readonly session: string;
  /** 1, 2, 3 … A number at or below the session's last durable one is answered as a repetition, storing nothing. */
  readonly batch: number;
  /** The principal, as `feed:mt5` or `user:ann`. */
  readonly actor: string;
  readonly incoming: Incoming;
  /** Rows that the feed itself could not read, by place in the batch: they are refused with their raw text kept. */
  readonly unreadable?: readonly { readonly place: number; readonly raw: string; readonly problem: string }[];
}

/**
 * Why one row of a batch was not accepted. Of several reasons the first of this order is given: unreadable or not
 * fitting the contract (refused) → duplicate → late → a rule that refuses → a rule that quarantines.
 */
export interface Rejection {
  /** Place in the received batch, from 0. */
  readonly place: number;
  readonly outcome: Exclude<Outcome, "accepted">;
  /** A code of the error table, family `row`. */
  readonly code: string;
  readonly message: string;
  readonly field?: string;
  readonly rule?: string;
  /** Where the raw row is kept; for a retry, the given id; absent for duplicates, of which an equal row is stored. */
  readonly quarantineId?: string;
}

export interface Admission {
  /**
   * The commit that holds the account; for a repetition that of the first time. A repetition of more than 128 batches
   * ago (8 for sessions long silent) gets the receipt of the oldest batch remembered (a later commit) and an account of zeros.
   */
  readonly receipt: Receipt;
  readonly account: Account;
  /** At most 1,000; the account has the full counts, the quarantine all rows. */
  readonly rejections: readonly Rejection[];
  /** The batch had been durable before: nothing was stored now. */
  readonly repeated: boolean;
}

export interface Gate {
  /**
   * Judges a batch and resolves when its account and accepted rows are durable. Batches of one session are judged in
   * the order of the calls. When the log fails, every batch under way fails with it: send again from behind
   * `lastBatch`.
   * @throws `dataset_unknown`, `session_invalid`, `batch_out_of_order`, `batch_too_large`, `batch_malformed`,
   * `json_invalid`, `overloaded`, and what the log refuses with.
   */
  submit(submission: Submission): Promise<Admission>;
  /** Records that a session began, fell idle or ended; see the cause of the same name in the log. */
  session(feed: string, session: string, event: "opened" | "idle" | "ended", watermark?: number): Promise<Receipt>;
  /** The last durable batch of a session, 0 when it is new. */
  lastBatch(feed: string, session: string): number;
  /**
   * Judges kept rows again as their feed sent them, under today's contract and policies; none is late now. Rows that
   * are stored after it get a resolution in the same commit; the others stay, and the answer says why. Places in the
   * answer count the given ids. Sessions and their batch numbers are not touched.
   * @throws `quarantine_unknown`, `batch_too_large`, `dataset_unknown`, and what the log refuses with
   */
  retry(quarantineIds: readonly string[], actor: string): Promise<Admission>;
}

/**
 * What the gate needs of the rest, all of it durable state. When `append` resolves, `sessions`, `newestRows` and
 * `position` MUST include that commit already, as folds fed from a tap of the log do.
 */
export interface GateSources {
  readonly contracts: ReadonlyMap<string, ContractVersion>;
  /** The same object for as long as the policy is the same: what is compiled from it is kept with it. */
  policy(feed: string, dataset: string): FeedPolicy | undefined;
  /**
   * Hands a draft to the log. Where it rejects, every draft handed over behind it MUST be rejected too: those were
   * judged as if it had been stored.
   */
  append(draft: Draft): Promise<Receipt>;
  /** The durable batches of feed sessions; see `createSessions`. */
  readonly sessions: Sessions;
  /** The last commit that `newestRows` includes. */
  position(): Position;
  /** One row per key: the newest by event time (of equal times the last in log order). */
  newestRows(dataset: string): Batch;
  /**
   * Stored rows with the key and event time of one of the given rows, in the current layout and of identity `keyTime`
   * only those that hold, seeing at least everything up to the position. All event times given lie in [from, through]
   * microseconds. More rows of the range may be given.
   */
  storedRows(dataset: string, keysOf: Batch, from: number, through: number, atLeast: Position): Promise<Batch>;
  /** Kept rows that have no resolution yet, seeing every durable commit; unknown and resolved ids are left out. */
  quarantinedRows(ids: readonly string[]): Promise<readonly QuarantinedRow[]>;
}

/** One row kept in the dataset `_quarantine`. */
export interface QuarantinedRow {
  readonly id: string;
  readonly received_at: number;
  readonly dataset: string;
  readonly contract: number;
  readonly feed: string;
  readonly session: string;
  readonly batch: number;
  readonly place: number;
  readonly outcome: string;
  readonly reason: string;
  readonly field: string | null;
  readonly rule: string | null;
  readonly message: string;
  /** The row as received, as JSON text or the line of the file; a NUL is written as U+2400. */
  readonly raw: string;
  /** Cut (at 64 KiB, earlier where a batch has very much to keep) or changed: such a row cannot be retried. */
  readonly raw_cut: boolean;
}

export interface GateOptions {
  /** Most rows of one batch; default 100,000. */
  readonly maxBatchRows?: number;
  /** More rows than this waiting to become durable are refused with `overloaded`; default 1,000,000. */
  readonly maxWaitingRows?: number;
  /** The same in encoded bytes; default 32 MiB. Keep it well below the limit of the log. */
  readonly maxWaitingBytes?: number;
  /** Accepted rows per dataset among which duplicates are found without asking the store; default 65,536. */
  readonly recentRows?: number;
}

export interface GateFigures {
  /** Batches judged and handed to the log that are not durable yet. */
  readonly appendingBatches: number;
  /** Batches that wait for a look-up in history, or behind one that does. */
  readonly waitingBatches: number;
  readonly waitingRows: number;
  readonly waitingBytes: number;
  /** Since the gate was made. */
  readonly lookups: number;
  readonly rebuilds: number;
  readonly datasets: readonly { readonly dataset: string; readonly keys: number; readonly recentRows: number }[];
}

export type { Contract };
