/**
 * The state of one aggregate over many windows at once, in typed arrays by slot (a slot is one window of one key).
 * Rows come as pairs of slot and row, in log order; the loops touch columns only, and allocate nothing per row.
 *
 * Null inputs are skipped. No result depends on how rows were grouped into batches; none but first and last over
 * equal event times depends on their order (sums are exact, see `exact-sum.ts`).
 */
import { type Column, type TextColumn, type Value, type ValueType, valueAt } from "../batch/index.ts";
import type { AggregateFunction } from "../expression/index.ts";
import type { Accumulator, AccumulatorInput, Pairs } from "./accumulator.ts";
import { grown, numbers, picked, put } from "./columns.ts";
import { Moments } from "./moments.ts";
import { type Packed, packed } from "./packed.ts";

export function createAccumulator(name: AggregateFunction, type: ValueType): Accumulator {
  switch (name) {
    case "first":
    case "last":
      return new Pick(name === "first", type !== "text" && type !== "boolean");
    case "min":
    case "max":
      return type === "text" ? new TextExtreme(name === "min") : new NumberExtreme(name === "min");
    case "count":
      return new Count();
    default:
      return new Moments(name);
  }
}

interface SavedPick {
  readonly times: Float64Array;
  readonly values: Float64Array | readonly Value[];
}

/** The value of the earliest or latest event time; of equal times the first or last in log order. */
class Pick implements Accumulator {
  readonly #first: boolean;
  readonly #start: number;
  #times = new Float64Array(0);
  #numbers = new Float64Array(0);
  /** What is not a number column: looked up once per changed slot, at the cost of a reference. */
  readonly #others: Value[] = [];
  readonly #numeric: boolean;

  constructor(first: boolean, numeric: boolean) {
    this.#first = first;
    this.#numeric = numeric;
    this.#start = first ? Infinity : -Infinity;
  }
  grow(capacity: number): void {
    const from = this.#times.length;
    this.#times = grown(this.#times, capacity);
    this.#times.fill(this.#start, from);
    this.#numbers = grown(this.#numbers, capacity);
  }
  clear(slot: number): void {
    this.#times[slot] = this.#start;
    this.#others[slot] = null;
  }
  add({ input, times }: AccumulatorInput, pairs: Pairs, from: number, to: number): void {
    if (input!.kind !== "number") {
      this.#addOthers(input!, times, pairs, from, to);
      return;
    }
    const { values, nulls } = input!;
    const { slots, rows } = pairs;
    const best = this.#times;
    const kept = this.#numbers;
    const first = this.#first;
    for (let place = from; place < to; place++) {
      const row = rows[place]!;
      if (nulls !== null && nulls[row] === 1) continue;
      const slot = slots[place]!;
      const time = times[row]!;
      if (first ? time < best[slot]! : time >= best[slot]!) {
        best[slot] = time;
        kept[slot] = values[row]!;
      }
    }
  }
  #addOthers(column: Column, times: Float64Array, { slots, rows }: Pairs, from: number, to: number): void {
    for (let place = from; place < to; place++) {
      const value = valueAt(column, rows[place]!);
      if (value === null) continue;
      const slot = slots[place]!;
      const time = times[rows[place]!]!;
      if (this.#first ? time < this.#times[slot]! : time >= this.#times[slot]!) {
        this.#times[slot] = time;
        this.#others[slot] = value;
      }
    }
  }
  value(slot: number): Value {
    if (this.#times[slot] === this.#start) return null;
    return this.#numeric ? this.#numbers[slot]! : this.#others[slot]!;
  }
  save(slots: readonly number[]): SavedPick {
    const times = picked(this.#times, slots);
    if (!this.#numeric) return { times, values: slots.map((slot) => this.value(slot)) };
    const values = picked(this.#numbers, slots);
    for (let place = 0; place < times.length; place++) if (times[place] === this.#start) values[place] = 0;
    return { times, values };
  }
  load(slots: readonly number[], saved: unknown): void {
    const { times, values } = saved as SavedPick;
    slots.forEach((slot, place) => {
      const value = values[place]!;
      this.#times[slot] = times[place]!;
      if (this.#numeric) this.#numbers[slot] = value as number;
      else this.#others[slot] = value;
    });
  }
}

class NumberExtreme implements Accumulator {
  readonly #least: boolean;
  readonly #start: number;
  #best = new Float64Array(0);

  constructor(least: boolean) {
    this.#least = least;
    this.#start = least ? Infinity : -Infinity;
  }
  grow(capacity: number): void {
    const from = this.#best.length;
    this.#best = grown(this.#best, capacity);
    this.#best.fill(this.#start, from);
  }
  clear(slot: number): void {
    this.#best[slot] = this.#start;
  }
  add({ input }: AccumulatorInput, { slots, rows }: Pairs, from: number, to: number): void {
    const { values, nulls } = numbers(input);
    const best = this.#best;
    const least = this.#least;
    for (let place = from; place < to; place++) {
      const row = rows[place]!;
      if (nulls !== null && nulls[row] === 1) continue;
      const slot = slots[place]!;
      const value = values[row]!;
      if (least ? value < best[slot]! : value > best[slot]!) best[slot] = value;
    }
  }
  value(slot: number): Value {
    const best = this.#best[slot]!;
    return Number.isFinite(best) ? best + 0 : null;
  }
  save(slots: readonly number[]): Float64Array {
    return picked(this.#best, slots);
  }
  load(slots: readonly number[], saved: unknown): void {
    put(this.#best, slots, saved as Float64Array);
  }
}

class TextExtreme implements Accumulator {
  readonly #least: boolean;
  readonly #best: (string | null)[] = [];

  constructor(least: boolean) {
    this.#least = least;
  }
  grow(): void {}
  clear(slot: number): void {
    this.#best[slot] = null;
  }
  add({ input }: AccumulatorInput, { slots, rows }: Pairs, from: number, to: number): void {
    const { dictionary, indexes, nulls } = input as TextColumn;
    for (let place = from; place < to; place++) {
      const row = rows[place]!;
      if (nulls !== null && nulls[row] === 1) continue;
      const slot = slots[place]!;
      const value = dictionary[indexes[row]!]!;
      const best = this.#best[slot] ?? null;
      if (best === null || (this.#least ? codePointsBefore(value, best) : codePointsBefore(best, value))) {
        this.#best[slot] = value;
      }
    }
  }
  value(slot: number): Value {
    return this.#best[slot] ?? null;
  }
  save(slots: readonly number[]): readonly Value[] {
    return slots.map((slot) => this.value(slot));
  }
  load(slots: readonly number[], saved: unknown): void {
    const values = saved as readonly (string | null)[];
    slots.forEach((slot, place) => {
      this.#best[slot] = values[place]!;
    });
  }
}

class Count implements Accumulator {
  #counts = new Float64Array(0);

  grow(capacity: number): void {
    this.#counts = grown(this.#counts, capacity);
  }
  clear(slot: number): void {
    this.#counts[slot] = 0;
  }
  add({ input }: AccumulatorInput, { slots, rows }: Pairs, from: number, to: number): void {
    const counts = this.#counts;
    const nulls = input?.nulls ?? null;
    for (let place = from; place < to; place++) {
      if (nulls !== null && nulls[rows[place]!] === 1) continue;
      counts[slots[place]!]! += 1;
    }
  }
  value(slot: number): Value {
    return this.#counts[slot]!;
  }
  save(slots: readonly number[]): Packed {
    return packed(picked(this.#counts, slots));
  }
  load(slots: readonly number[], saved: unknown): void {
    put(this.#counts, slots, saved as Packed);
  }
}

/** Code point order differs from that of `<` only where a surrogate pair meets a character from U+E000 to U+FFFF. */
function codePointsBefore(left: string, right: string): boolean {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index++) {
    if (left.charCodeAt(index) !== right.charCodeAt(index)) {
      return left.slice(index).codePointAt(0)! < right.slice(index).codePointAt(0)!;
    }
  }
  return left.length < right.length;
}
