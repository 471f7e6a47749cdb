/** Gathers what is wrong with rows of one batch: the first problem of each row, in the order of the fields. */
import { type ErrorCode, type ErrorDetails, messageOf } from "../base/index.ts";
import type { Batch } from "../batch/index.ts";
import type { CellProblem } from "./cells.ts";

/** A row that does not fit its contract. */
export interface RefusedRow {
  /** Place in the received batch, from 0. */
  readonly place: number;
  /** A code of the error table, family `row`. */
  readonly code: ErrorCode;
  readonly field?: string;
  readonly message: string;
}

/** Rows after decoding; every received row is either in the batch or refused. */
export interface Decoded {
  /** The good rows only, in the contract's layout, every cell canonical. */
  readonly batch: Batch;
  /** The received place of each row of the batch, ascending. May be shared between results: never to be changed. */
  readonly places: Uint32Array;
  /** Ascending by place. */
  readonly refused: readonly RefusedRow[];
}

export class Verdicts {
  readonly count: number;
  /** 1 where a row is refused; null while none is. */
  bad: Uint8Array | null = null;
  readonly #refused: RefusedRow[] = [];

  constructor(count: number) {
    this.count = count;
  }

  refuse(place: number, { code, details }: CellProblem, field?: string): void {
    this.bad ??= new Uint8Array(this.count);
    if (this.bad[place] === 1) return;
    this.bad[place] = 1;
    this.#refused.push(refusedRow(place, code, details, field));
  }

  /** Received places of the rows that are not refused. */
  goodPlaces(): Uint32Array {
    if (this.bad === null) return ascending(this.count);
    const places = new Uint32Array(this.count - this.#refused.length);
    let next = 0;
    for (let place = 0; place < this.count; place++) if (this.bad[place] === 0) places[next++] = place;
    return places;
  }
  refused(): readonly RefusedRow[] {
    return this.#refused.sort((left, right) => left.place - right.place);
  }
}

export function refusedRow(place: number, code: ErrorCode, details: ErrorDetails, field?: string): RefusedRow {
  if (field === undefined) return { place, code, message: messageOf(code, details) };
  return { place, code, field, message: messageOf(code, { field, ...details }) };
}

let counting = new Uint32Array(0);

/** 0, 1, 2 …: a view of one shared array, as a fresh one would cost as much as a whole column's check. */
function ascending(count: number): Uint32Array {
  if (counting.length < count) counting = new Uint32Array(Math.max(1_024, count * 2)).map((_, place) => place);
  return counting.subarray(0, count);
}
