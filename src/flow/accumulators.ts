/**
 * The state of one aggregate over many windows at once, in typed arrays by slot (a slot is one window of one key).
 * Rows come as pairs of slot and row, in log order; the loops touch columns only, and allocate nothing per row.
 *
 * Null inputs are skipped. No result depends on how rows were grouped into batches; none but first and last over
 * equal event times depends on their order (sums are exact, see `exact-sum.ts`).
 */
import {
  type Column,
  type NumberColumn,
  type TextColumn,
  type Value,
  type ValueType,
  valueAt,
} from "../batch/index.ts";
import type { AggregateFunction } from "../expression/index.ts";
import { addExact, addProduct, deviation, type Expansion, roundedSum } from "./exact-sum.ts";

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
  /** The state of a slot as plain data. */
  save(slot: number): unknown;
  load(slot: number, saved: unknown): void;
}

export function createAccumulator(name: AggregateFunction, type: ValueType): Accumulator {
  switch (name) {
    case "first":
    case "last":
      return new Pick(name === "first");
    case "min":
    case "max":
      return type === "text" ? new TextExtreme(name === "min") : new NumberExtreme(name === "min");
    case "count":
      return new Count();
    default:
      return new Moments(name);
  }
}

const numbers = (column: Column | undefined): NumberColumn => column as NumberColumn;

/** The value of the earliest or latest event time; of equal times the first or last in log order. */
class Pick implements Accumulator {
  readonly #first: boolean;
  readonly #start: number;
  #times = new Float64Array(0);
  #numbers = new Float64Array(0);
  /** What is not a number column: looked up once per changed slot, at the cost of a reference. */
  readonly #others: Value[] = [];
  #numeric = true;

  constructor(first: boolean) {
    this.#first = first;
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
      this.#numeric = false;
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
  save(slot: number): unknown {
    return [this.#times[slot], this.value(slot)];
  }
  load(slot: number, saved: unknown): void {
    const [time, value] = saved as [number, Value];
    this.#times[slot] = time;
    if (typeof value === "number") this.#numbers[slot] = value;
    else if (value !== null) {
      this.#numeric = false;
      this.#others[slot] = value;
    }
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
  save(slot: number): unknown {
    return this.#best[slot];
  }
  load(slot: number, saved: unknown): void {
    this.#best[slot] = saved as number;
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
  save(slot: number): unknown {
    return this.value(slot);
  }
  load(slot: number, saved: unknown): void {
    this.#best[slot] = saved as string | null;
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
  save(slot: number): unknown {
    return this.#counts[slot];
  }
  load(slot: number, saved: unknown): void {
    this.#counts[slot] = saved as number;
  }
}

/** Everything that is made of sums: sum, mean, weightedMean, standardDeviation. */
class Moments implements Accumulator {
  readonly #name: AggregateFunction;
  readonly #sums: Expansion[] = [];
  /** Sums of squares, or of weights. */
  readonly #seconds: Expansion[] = [];
  #counts = new Float64Array(0);

  constructor(name: AggregateFunction) {
    this.#name = name;
  }
  grow(capacity: number): void {
    this.#counts = grown(this.#counts, capacity);
    while (this.#sums.length < capacity) {
      this.#sums.push([]);
      this.#seconds.push([]);
    }
  }
  clear(slot: number): void {
    this.#counts[slot] = 0;
    this.#sums[slot] = [];
    this.#seconds[slot] = [];
  }
  add({ input, weight }: AccumulatorInput, { slots, rows }: Pairs, from: number, to: number): void {
    const { values, nulls } = numbers(input);
    const weights = weight === undefined ? undefined : numbers(weight);
    const squares = this.#name === "standardDeviation";
    for (let place = from; place < to; place++) {
      const row = rows[place]!;
      if ((nulls !== null && nulls[row] === 1) || weights?.nulls?.[row] === 1) continue;
      const slot = slots[place]!;
      const value = values[row]!;
      this.#counts[slot]! += 1;
      if (weights === undefined) addExact(this.#sums[slot]!, value);
      else {
        addProduct(this.#sums[slot]!, value, weights.values[row]!);
        addExact(this.#seconds[slot]!, weights.values[row]!);
      }
      if (squares) addProduct(this.#seconds[slot]!, value, value);
    }
  }
  value(slot: number): Value {
    const count = this.#counts[slot]!;
    if (count === 0) return null;
    const sum = this.#sums[slot]!;
    const result = this.#result(count, sum, this.#seconds[slot]!);
    return Number.isFinite(result) ? result + 0 : null;
  }
  #result(count: number, sum: Expansion, second: Expansion): number {
    switch (this.#name) {
      case "mean":
        return roundedSum(sum) / count;
      case "weightedMean":
        return roundedSum(sum) / roundedSum(second);
      case "standardDeviation":
        return deviation(count, sum, second);
      default:
        return roundedSum(sum);
    }
  }
  save(slot: number): unknown {
    return [this.#counts[slot], [...this.#sums[slot]!], [...this.#seconds[slot]!]];
  }
  load(slot: number, saved: unknown): void {
    const [count, sum, second] = saved as [number, Expansion, Expansion];
    this.#counts[slot] = count;
    this.#sums[slot] = [...sum];
    this.#seconds[slot] = [...second];
  }
}

function grown(from: Float64Array<ArrayBuffer>, capacity: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(capacity);
  to.set(from);
  return to;
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
