/**
 * The last accepted rows of a dataset, held as the batches they came in. A row newer than its key's floor that is not
 * among them is stored nowhere. Batches leave from the old end once enough newer rows are there, but never before they
 * are durable, and never while a look-up in history is under way: together with the stored rows they always give the
 * whole picture.
 */
import type { Position } from "../log/index.ts";
import { type SlottedBatch, slotOf } from "./slots.ts";

export interface RecentBatch extends SlottedBatch {
  /** By touched slot its newest time in this batch, where that is known without walking the rows. */
  readonly newestTouched: readonly number[] | undefined;
  /** Bounds of the event times; made when they are first needed. */
  bounds: { readonly oldest: number; readonly newest: number } | undefined;
  /** The commit that holds it; 0 until it is durable. */
  position: Position;
}

export class RecentRows {
  /** The last position that has left: a look-up in history must see at least this. */
  leftThrough: Position;
  rows = 0;
  readonly #limit: number;
  readonly #floor: () => Float64Array;
  readonly #batches: (RecentBatch | undefined)[] = [];
  #first = 0;
  #pins = 0;

  constructor(limitRows: number, leftThrough: Position, floor: () => Float64Array) {
    this.#limit = limitRows;
    this.leftThrough = leftThrough;
    this.#floor = floor;
  }

  /** @param newestTouched by touched slot the newest time of its rows, where the caller knows it */
  add({ batch, slots, times }: SlottedBatch, newestTouched?: readonly number[]): RecentBatch {
    const entry = { batch, slots, times, newestTouched, bounds: undefined, position: 0 };
    this.#batches.push(entry);
    this.rows += batch.count;
    return entry;
  }
  settle(entry: RecentBatch, position: Position): void {
    entry.position = position;
    this.#shrink();
  }
  /** Nothing leaves until the returned function is called. */
  pin(): () => void {
    this.#pins += 1;
    return () => {
      this.#pins -= 1;
      this.#shrink();
    };
  }
  /** Batches that may hold a row of the given times, oldest batch first. */
  within(oldest: number, newest: number): readonly RecentBatch[] {
    const found: RecentBatch[] = [];
    for (let index = this.#first; index < this.#batches.length; index++) {
      const entry = this.#batches[index]!;
      entry.bounds ??= boundsOf(entry.times);
      if (entry.bounds.newest >= oldest && entry.bounds.oldest <= newest) found.push(entry);
    }
    return found;
  }

  #shrink(): void {
    if (this.#pins > 0) return;
    while (this.#first < this.#batches.length) {
      const entry = this.#batches[this.#first]!;
      if (entry.position === 0 || this.rows - entry.batch.count < this.#limit) break;
      this.#leave(entry);
      this.#batches[this.#first] = undefined;
      this.#first += 1;
    }
    if (this.#first > 64 && this.#first * 2 > this.#batches.length) {
      this.#batches.splice(0, this.#first);
      this.#first = 0;
    }
  }
  #leave({ batch, slots, times, newestTouched, position }: RecentBatch): void {
    const floor = this.#floor();
    if (newestTouched !== undefined) {
      const { touched } = slots;
      for (let index = 0; index < touched.length; index++) {
        const slot = touched[index]!;
        if (newestTouched[index]! > floor[slot]!) floor[slot] = newestTouched[index]!;
      }
    } else {
      for (let place = 0; place < batch.count; place++) {
        const slot = slotOf(slots, place);
        if (times[place]! > floor[slot]!) floor[slot] = times[place]!;
      }
    }
    this.rows -= batch.count;
    this.leftThrough = Math.max(this.leftThrough, position);
  }
}

function boundsOf(times: Float64Array): { readonly oldest: number; readonly newest: number } {
  let oldest = Number.POSITIVE_INFINITY;
  let newest = Number.NEGATIVE_INFINITY;
  for (let place = 0; place < times.length; place++) {
    const time = times[place]!;
    if (time < oldest) oldest = time;
    if (time > newest) newest = time;
  }
  return { oldest, newest };
}
