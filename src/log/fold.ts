/**
 * State in memory that is folded from the log: the latest values, the state of feed sessions, the open windows of a
 * flow. It is saved from time to time, so that a start replays only the commits after the save.
 */
import type { Commit } from "./types.ts";

/**
 * `apply` MUST depend on the commits alone (not on time, chance or how they are grouped into runs), and is called with
 * every commit once, in order. `load(save())` MUST give an equal state. `save` returns plain data (structured clone).
 */
export interface Fold {
  readonly name: string;
  /** Raised when the saved form or the meaning changes: an older save is then ignored and the log replayed. */
  readonly version: number;
  apply(run: readonly Commit[]): void;
  save(): unknown;
  load(saved: unknown): void;
  /** Back to the state before the first commit. */
  reset(): void;
}
