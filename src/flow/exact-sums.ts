/**
 * Exact sums over many slots. Nearly every sum of measured values is exactly a double and a second one for what the
 * first lacks: these lie in two columns and take a term by a few operations. Those that need more parts are lists as
 * in `exact-sum.ts` for as long as they do.
 */
import type { NumberColumn } from "../batch/index.ts";
import type { Pairs } from "./accumulator.ts";
import { grown, picked, put } from "./columns.ts";
import { addExact, type Expansion, productError, roundedSum } from "./exact-sum.ts";
import { eachList, type Packed, type PackedLists, packed, packedLists } from "./packed.ts";

export interface SavedSums {
  readonly high: Float64Array;
  readonly low: Packed;
  /** Places of the sums that are lists. */
  readonly long: Packed;
  readonly lists: PackedLists;
}

export class ExactSums {
  /** By slot: two doubles that make up the sum, or 0 and NaN where it is a list. */
  #high = new Float64Array(0);
  #low = new Float64Array(0);
  /** By slot: a sum of more than two parts. */
  readonly #long: (Expansion | null)[] = [];

  grow(capacity: number): void {
    this.#high = grown(this.#high, capacity);
    this.#low = grown(this.#low, capacity);
    while (this.#long.length < capacity) this.#long.push(null);
  }
  clear(slot: number): void {
    this.#high[slot] = 0;
    this.#low[slot] = 0;
    this.#long[slot] = null;
  }
  /**
   * Adds a finite double by two of Knuth's exact sums, whose errors are found without a comparison: what the first
   * lacks goes into the second part, and where that lacks nothing, the two are the exact sum.
   */
  add(slot: number, term: number): void {
    const high = this.#high[slot]!;
    const low = this.#low[slot]!;
    const sum = high + term;
    const share = sum - high;
    const error = high - (sum - share) + (term - share);
    const lower = low + error;
    const lowerShare = lower - low;
    if (low - (lower - lowerShare) + (error - lowerShare) === 0) {
      this.#high[slot] = sum;
      this.#low[slot] = lower;
    } else this.#addLong(slot, term);
  }
  /** Adds the values of rows that are not null, each to its slot, and counts them: `add` without a call for each. */
  addRows(
    { values, nulls }: NumberColumn,
    { slots, rows }: Pairs,
    from: number,
    to: number,
    counts: Float64Array,
  ): void {
    const highs = this.#high;
    const lows = this.#low;
    for (let place = from; place < to; place++) {
      const row = rows[place]!;
      if (nulls !== null && nulls[row] === 1) continue;
      const slot = slots[place]!;
      counts[slot]! += 1;
      const term = values[row]!;
      const high = highs[slot]!;
      const low = lows[slot]!;
      const sum = high + term;
      const share = sum - high;
      const error = high - (sum - share) + (term - share);
      const lower = low + error;
      const lowerShare = lower - low;
      if (low - (lower - lowerShare) + (error - lowerShare) === 0) {
        highs[slot] = sum;
        lows[slot] = lower;
      } else this.#addLong(slot, term);
    }
  }
  /** Adds the exact product of two doubles. */
  addProduct(slot: number, left: number, right: number): void {
    const product = left * right;
    this.add(slot, product);
    const error = productError(product, left, right);
    if (error !== 0) this.add(slot, error);
  }
  /** The double nearest to the exact sum. */
  rounded(slot: number): number {
    const long = this.#long[slot]!;
    return long === null ? this.#high[slot]! + this.#low[slot]! : roundedSum(long);
  }
  /** The sum as parts that do not overlap. */
  of(slot: number): Expansion {
    const long = this.#long[slot]!;
    if (long !== null) return long;
    const parts: Expansion = [];
    if (this.#low[slot] !== 0) addExact(parts, this.#low[slot]!);
    if (this.#high[slot] !== 0) addExact(parts, this.#high[slot]!);
    return parts;
  }

  save(slots: readonly number[]): SavedSums {
    const long: [number, Expansion][] = [];
    slots.forEach((slot, place) => {
      const parts = this.#long[slot]!;
      if (parts !== null) long.push([place, [...parts]]);
    });
    const lists = packedLists(long.map(([, parts]) => parts));
    return {
      high: picked(this.#high, slots),
      low: packed(picked(this.#low, slots)),
      long: packed(long.map(([place]) => place)),
      lists,
    };
  }
  load(slots: readonly number[], { high, low, long, lists }: SavedSums): void {
    put(this.#high, slots, high);
    put(this.#low, slots, low);
    eachList(lists, (parts, index) => {
      this.#long[slots[long[index]!]!] = [...parts];
    });
  }

  #addLong(slot: number, term: number): void {
    const parts = this.of(slot);
    addExact(parts, term);
    const sum = parts[parts.length - 1]!;
    // Beyond the range of doubles: nothing brings it back, and the parts would only become more.
    if (!Number.isFinite(sum)) parts.splice(0, parts.length, NaN, NaN);
    const isLong = parts.length > 2;
    this.#long[slot] = isLong ? parts : null;
    this.#high[slot] = isLong ? 0 : sum;
    // Not a number: no term can be added to it exactly, so that each comes here.
    this.#low[slot] = isLong ? NaN : parts.length === 2 ? parts[0]! : 0;
  }
}
