/** The state of one aggregate over many windows at once, by slot (a slot is one window of one key). */
import type { Column, Value } from "../batch/index.ts";

/** Which row goes to which slot: parallel arrays, of which the places from … to-1 are meant. */
export interface Pairs {
  readonly slots: Int32Array;
  readonly rows: Int32Array;
}

export interface AccumulatorInput {
  /** Absent for a count of all rows. */
  readonly input?: Column;
  readonly weight?: Column;
  readonly times: Float64Array;
}

export interface Accumulator {
  grow(capacity: number): void;
  clear(slot: number): void;
  add(input: AccumulatorInput, pairs: Pairs, from: number, to: number): void;
  value(slot: number): Value;
  /** The state of slots as columns of plain data. */
  save(slots: readonly number[]): unknown;
  /** The same number of slots, all of them clear. */
  load(slots: readonly number[], saved: unknown): void;
}
