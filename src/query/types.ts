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

export type { Value };
