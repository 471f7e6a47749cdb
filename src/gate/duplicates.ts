/**
 * Which rows of one batch are stored already: exact, by key, time and all cells. Only rows that are not newer than
 * their key's newest are asked for ("candidates"), and rows are gathered only at the event times of those. Every
 * source is walked once per batch; long lists at one time are looked up by hash, so that no input makes it quadratic.
 */
import { assert } from "../base/index.ts";
import { type Batch, hashRows, type RowHashes, sameRow } from "../batch/index.ts";
import type { RecentRows } from "./recent.ts";
import { type BatchSlots, type SlottedBatch, slotOf } from "./slots.ts";

/** A row in some batch. */
export interface RowReference {
  readonly batch: Batch;
  readonly slots: BatchSlots;
  readonly place: number;
}

/** Rows of one event time, in the order they were accepted. */
interface SameTime {
  readonly rows: RowReference[];
  /** By slot (identity `keyTime`) or by content hash; made when the list has grown long. */
  index: Map<number, RowReference[]> | undefined;
}

const LONG_LIST = 16;
/** Bits of an event time's hash, of which the filter has one mark each. */
const FILTER_BITS = 14;
const hashes = new WeakMap<Batch, RowHashes>();

const wordsOf = (times: Float64Array): Uint32Array => new Uint32Array(times.buffer, times.byteOffset, times.length * 2);

export type Match = "none" | "equal" | "other";

export class DuplicateIndex {
  readonly #identity: "content" | "keyTime";
  readonly #byTime = new Map<number, SameTime>();
  readonly #added: SameTime[] = [];
  /** 1 at the hash of each wanted time: nearly every other row is passed over without a look-up. */
  readonly #filter = new Uint8Array(2 ** FILTER_BITS);
  #times: Float64Array;
  #words: Uint32Array;
  #oldest = Number.POSITIVE_INFINITY;
  #newest = Number.NEGATIVE_INFINITY;

  constructor(identity: "content" | "keyTime", times: Float64Array, candidates: readonly number[]) {
    this.#identity = identity;
    this.#times = times;
    this.#words = wordsOf(times);
    for (const place of candidates) {
      const time = times[place]!;
      if (!this.#byTime.has(time)) this.#byTime.set(time, { rows: [], index: undefined });
      this.#filter[this.#hashOfTime(place)] = 1;
      if (time < this.#oldest) this.#oldest = time;
      if (time > this.#newest) this.#newest = time;
    }
  }

  /** Stored rows come before recent ones: of one key and time the last row is the one that holds. */
  addStored({ batch, slots, times }: SlottedBatch): void {
    this.#addAll(batch, slots, times);
  }
  addRecent(recent: RecentRows): void {
    for (const { batch, slots, times } of recent.within(this.#oldest, this.#newest)) {
      this.#addAll(batch, slots, times);
    }
  }
  /** A row of the batch under judgement that was accepted. */
  addAccepted({ batch, slots, times }: SlottedBatch, place: number): void {
    this.#read(times);
    if (this.#filter[this.#hashOfTime(place)] === 0) return;
    const list = this.#append(batch, slots, place, times[place]!);
    if (list) this.#added.push(list);
  }
  get mark(): number {
    return this.#added.length;
  }
  /** Takes back what was added as accepted since the mark. */
  rewind(mark: number): void {
    while (this.#added.length > mark) {
      const list = this.#added.pop()!;
      list.rows.pop();
      list.index = undefined;
    }
  }

  /** `other` (identity `keyTime` only): a row of the same key and time holds other cells. */
  match(batch: Batch, slots: BatchSlots, place: number, time: number): Match {
    const list = this.#byTime.get(time);
    assert(list !== undefined, "a row that may be a duplicate was not surveyed as one");
    const slot = slotOf(slots, place);
    const rows = list.rows.length > LONG_LIST ? this.#indexed(list).get(this.#hash(batch, slots, place)) : list.rows;
    for (let index = (rows?.length ?? 0) - 1; index >= 0; index--) {
      const other = rows![index]!;
      if (slotOf(other.slots, other.place) !== slot) continue;
      if (sameRow(batch, place, other.batch, other.place)) return "equal";
      if (this.#identity === "keyTime") return "other";
    }
    return "none";
  }

  #addAll(batch: Batch, slots: BatchSlots, times: Float64Array): void {
    this.#read(times);
    for (let place = 0; place < batch.count; place++) {
      if (this.#filter[this.#hashOfTime(place)] === 1) this.#append(batch, slots, place, times[place]!);
    }
  }
  #read(times: Float64Array): void {
    if (times === this.#times) return;
    this.#times = times;
    this.#words = wordsOf(times);
  }
  #hashOfTime(place: number): number {
    return Math.imul(this.#words[place * 2]! ^ (this.#words[place * 2 + 1]! << 7), 0x9e3779b1) >>> (32 - FILTER_BITS);
  }
  #append(batch: Batch, slots: BatchSlots, place: number, time: number): SameTime | undefined {
    const list = this.#byTime.get(time);
    if (list === undefined) return undefined;
    const row = { batch, slots, place };
    list.rows.push(row);
    if (list.index !== undefined) this.#addTo(list.index, row);
    return list;
  }
  #indexed(list: SameTime): Map<number, RowReference[]> {
    if (list.index === undefined) {
      list.index = new Map();
      for (const row of list.rows) this.#addTo(list.index, row);
    }
    return list.index;
  }
  #addTo(index: Map<number, RowReference[]>, row: RowReference): void {
    const key = this.#hash(row.batch, row.slots, row.place);
    const rows = index.get(key);
    if (rows === undefined || this.#identity === "keyTime") index.set(key, [row]);
    else rows.push(row);
  }
  #hash(batch: Batch, slots: BatchSlots, place: number): number {
    if (this.#identity === "keyTime") return slotOf(slots, place);
    let known = hashes.get(batch);
    if (known === undefined) {
      known = hashRows(batch);
      hashes.set(batch, known);
    }
    return known.high[place]! * 2 ** 21 + (known.low[place]! >>> 11);
  }
}
