/** What the two workers and the main thread say to each other. */
import type { MessagePort } from "node:worker_threads";
import type { ErrorCode, ErrorDetails } from "../../base/index.ts";
import type { Head, Position, ReadLimit } from "../../log/index.ts";
import type { SharedRing } from "./ring.ts";
import type { Synchronous } from "./schema.ts";
import type { Fault } from "./verify.ts";

export interface Refusal {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}

export interface WriterStart {
  readonly folder: string;
  readonly ring: SharedRing;
  readonly port: MessagePort;
  readonly synchronous: Synchronous;
  readonly acceptLoss: boolean;
  /** The instant of a commit that records an accepted loss. */
  readonly now: number;
}

export type FromWriter =
  /** Something in `cells` changed. */
  | { readonly kind: "bell" }
  | { readonly kind: "ready"; readonly head: Head; readonly touched: readonly (readonly [string, Position])[] }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** A group failed: everything not done is void. `fatal`: nothing more is written until the log is reopened. */
  | { readonly kind: "failed"; readonly refusal: Refusal; readonly fatal: boolean }
  /** Background work failed or, without a problem, succeeded again. */
  | { readonly kind: "health"; readonly problem?: string }
  | { readonly kind: "closed" };

/** The commits of an entry that is too large for the ring. */
export interface LargeCommits {
  readonly headers: readonly string[];
  readonly datasets: readonly string[];
  readonly payloads: readonly Uint8Array<ArrayBuffer>[];
}

export type ToReader =
  | { readonly kind: "read"; readonly id: number; readonly after: Position; readonly limit: ReadLimit }
  | { readonly kind: "positionAt"; readonly id: number; readonly at: number; readonly through: Position }
  | {
      readonly kind: "verify";
      readonly id: number;
      readonly from: Position;
      readonly through: Position;
      readonly hash: Uint8Array;
    }
  | { readonly kind: "close"; readonly id: number };

export interface ReadCommit {
  readonly position: Position;
  readonly at: number;
  readonly header: string;
  readonly payload: Uint8Array<ArrayBuffer>;
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
}

export type FromReader =
  | { readonly kind: "commits"; readonly id: number; readonly commits: readonly ReadCommit[] }
  | { readonly kind: "position"; readonly id: number; readonly position: Position }
  | { readonly kind: "progress"; readonly id: number; readonly position: Position }
  | { readonly kind: "verified"; readonly id: number; readonly fault?: Fault }
  | { readonly kind: "closed"; readonly id: number }
  | ({ readonly kind: "failed"; readonly id: number } & Refusal);
