/**
 * What the main thread and the worker say to each other. A run of commits crosses as one buffer, transferred: the
 * encoded bytes of its changes one behind the other, each at a multiple of 8, and a table of numbers that says what
 * lies where. Commits without changes only move the position.
 */
import { alignedTo8, type ErrorCode, type ErrorDetails, toHex } from "../../base/index.ts";
import type { Layout } from "../../batch/index.ts";
import type { ContractVersion } from "../../contract/index.ts";
import type { Commit, Position } from "../../log/index.ts";
import type { Statement } from "../../query/index.ts";

export interface WorkerOptions {
  readonly file: string;
  readonly threads: number;
  readonly memoryLimit: string;
  readonly commitRows: number;
  readonly commitMs: number;
  readonly dictionaryTexts: number;
}

/** Numbers of one change: position, dataset's place in `datasets`, contract version, first place, offset, length. */
export const CHANGE_NUMBERS = 6;

export interface PackedRun {
  readonly after: Position;
  readonly through: Position;
  readonly hash: string;
  readonly datasets: readonly string[];
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface StoredRowsRequest {
  readonly dataset: string;
  /** `encodeBatch` of the rows whose keys are asked for, in the layout of the newest contract. */
  readonly keysOf: Uint8Array;
  readonly from: number;
  readonly through: number;
  /** Only rows at one of the event times of those rows. */
  readonly atTheirTimes: boolean;
}

export type Request =
  | { readonly kind: "declare"; readonly contract: ContractVersion }
  | { readonly kind: "flush" }
  | { readonly kind: "drop" }
  | { readonly kind: "close" }
  | { readonly kind: "select"; readonly statement: Statement; readonly layout: Layout; readonly maxRows: number }
  | { readonly kind: "storedRows"; readonly request: StoredRowsRequest }
  | { readonly kind: "scanStart"; readonly dataset: string; readonly through: Position }
  | { readonly kind: "scanNext"; readonly scan: number }
  | { readonly kind: "scanEnd"; readonly scan: number };

export type ToWorker =
  | { readonly kind: "request"; readonly id: number; readonly request: Request }
  | { readonly kind: "cancel"; readonly id: number }
  /** `epoch` counts failures: a run sent before the sender heard of one is dropped. */
  | { readonly kind: "apply"; readonly epoch: number; readonly run: PackedRun };

/** How a dataset is stored, as plain data. */
export interface TableState {
  readonly dataset: string;
  readonly columns: readonly { readonly field: string; readonly dictionary: boolean }[];
  /** Whether any row is marked as superseding an earlier one. */
  readonly supersedes: boolean;
  readonly rows: number;
}

export interface StoreState {
  readonly position: Position;
  readonly hash: string;
  readonly tables: readonly TableState[];
}

export interface CommitFigures {
  readonly rows: number;
  readonly elapsedMs: number;
}

export interface PlainError {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}

export type FromWorker =
  | { readonly kind: "opened"; readonly state: StoreState }
  | { readonly kind: "openFailed"; readonly error: PlainError }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly error: PlainError }
  /** A run was taken in (or dropped): so many bytes no longer wait. */
  | { readonly kind: "taken"; readonly bytes: number }
  | { readonly kind: "durable"; readonly state: StoreState; readonly figures: CommitFigures }
  /** What was gathered is lost; the store stands at the state's position again. */
  | { readonly kind: "failed"; readonly problem: string; readonly state: StoreState };

export function packRun(run: readonly Commit[]): PackedRun {
  const datasets: string[] = [];
  let changes = 0;
  let length = 0;
  for (const commit of run) {
    for (const change of commit.changes) {
      changes += 1;
      length += alignedTo8(change.bytes.length);
    }
  }
  const numbers = new Float64Array(changes * CHANGE_NUMBERS);
  const bytes = new Uint8Array(length);
  let at = 0;
  let offset = 0;
  for (const commit of run) {
    for (let index = 0; index < commit.changes.length; index++) {
      const change = commit.changes[index]!;
      let dataset = datasets.indexOf(change.dataset);
      if (dataset < 0) dataset = datasets.push(change.dataset) - 1;
      bytes.set(change.bytes, offset);
      numbers[at] = commit.position;
      numbers[at + 1] = dataset;
      numbers[at + 2] = change.contract;
      numbers[at + 3] = firstPlace(commit, index);
      numbers[at + 4] = offset;
      numbers[at + 5] = change.bytes.length;
      at += CHANGE_NUMBERS;
      offset += alignedTo8(change.bytes.length);
    }
  }
  const last = run[run.length - 1]!;
  return { after: run[0]!.position - 1, through: last.position, hash: toHex(last.hash), datasets, numbers, bytes };
}

/** Places count over all rows of a dataset in a commit, so that no two of them have the same origin. */
function firstPlace(commit: Commit, index: number): number {
  let place = 0;
  for (let before = 0; before < index; before++) {
    const change = commit.changes[before]!;
    if (change.dataset === commit.changes[index]!.dataset) place += change.batch.count;
  }
  return place;
}
