/** What differs between the kinds of flows: how source rows become derived ones. The rest is in `running-flow.ts`. */
import type { Batch } from "../batch/index.ts";
import type { Change, Commit } from "../log/index.ts";

export interface Operator {
  /**
   * Rows of the source, in the order they stand in the log. A row's source place is its place in the change plus
   * `before`, the number of source rows in earlier changes of the same commit.
   */
  rows(change: Change, commit: Commit, before: number): void;
  /** After the rows of a commit. */
  rowsEnd(commit: Commit): void;
  /** A commit whose cause is an event of a session. */
  sessionEvent(commit: Commit): void;
  provisional(onlyChanged: boolean): Batch;
  readonly openWindows: number;
  readonly retained: number;
  readonly keys: number;
  save(): unknown;
  load(saved: unknown): void;
  reset(): void;
}
