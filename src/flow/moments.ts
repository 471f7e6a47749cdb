/** The aggregates that are made of sums: sum, mean, weightedMean, standardDeviation. */
import type { NumberColumn, Value } from "../batch/index.ts";
import type { AggregateFunction } from "../expression/index.ts";
import type { Accumulator, AccumulatorInput, Pairs } from "./accumulator.ts";
import { grown, numbers, picked, put } from "./columns.ts";
import { deviation } from "./exact-sum.ts";
import { ExactSums, type SavedSums } from "./exact-sums.ts";
import { type Packed, packed } from "./packed.ts";

interface SavedMoments {
  readonly counts: Packed;
  readonly sums: SavedSums;
  readonly seconds?: SavedSums;
}

export class Moments implements Accumulator {
  readonly #name: AggregateFunction;
  readonly #sums = new ExactSums();
  /** Sums of squares, or of weights. */
  readonly #seconds: ExactSums | undefined;
  #counts = new Float64Array(0);

  constructor(name: AggregateFunction) {
    this.#name = name;
    this.#seconds = name === "weightedMean" || name === "standardDeviation" ? new ExactSums() : undefined;
  }
  grow(capacity: number): void {
    this.#counts = grown(this.#counts, capacity);
    this.#sums.grow(capacity);
    this.#seconds?.grow(capacity);
  }
  clear(slot: number): void {
    this.#counts[slot] = 0;
    this.#sums.clear(slot);
    this.#seconds?.clear(slot);
  }
  add({ input, weight }: AccumulatorInput, pairs: Pairs, from: number, to: number): void {
    if (this.#seconds === undefined) this.#sums.addRows(numbers(input), pairs, from, to, this.#counts);
    else this.#addSeconds(numbers(input), weight === undefined ? undefined : numbers(weight), pairs, from, to);
  }
  #addSeconds(
    { values, nulls }: NumberColumn,
    weights: NumberColumn | undefined,
    { slots, rows }: Pairs,
    from: number,
    to: number,
  ): void {
    for (let place = from; place < to; place++) {
      const row = rows[place]!;
      if ((nulls !== null && nulls[row] === 1) || weights?.nulls?.[row] === 1) continue;
      const slot = slots[place]!;
      const value = values[row]!;
      this.#counts[slot]! += 1;
      if (weights === undefined) {
        this.#sums.add(slot, value);
        this.#seconds!.addProduct(slot, value, value);
      } else {
        this.#sums.addProduct(slot, value, weights.values[row]!);
        this.#seconds!.add(slot, weights.values[row]!);
      }
    }
  }
  value(slot: number): Value {
    const count = this.#counts[slot]!;
    if (count === 0) return null;
    const result = this.#result(count, slot);
    return Number.isFinite(result) ? result + 0 : null;
  }
  #result(count: number, slot: number): number {
    switch (this.#name) {
      case "mean":
        return this.#sums.rounded(slot) / count;
      case "weightedMean":
        return this.#sums.rounded(slot) / this.#seconds!.rounded(slot);
      case "standardDeviation":
        return deviation(count, this.#sums.of(slot), this.#seconds!.of(slot));
      default:
        return this.#sums.rounded(slot);
    }
  }
  save(slots: readonly number[]): SavedMoments {
    const seconds = this.#seconds?.save(slots);
    return {
      counts: packed(picked(this.#counts, slots)),
      sums: this.#sums.save(slots),
      ...(seconds === undefined ? {} : { seconds }),
    };
  }
  load(slots: readonly number[], saved: unknown): void {
    const { counts, sums, seconds } = saved as SavedMoments;
    put(this.#counts, slots, counts);
    this.#sums.load(slots, sums);
    if (seconds !== undefined) this.#seconds!.load(slots, seconds);
  }
}
