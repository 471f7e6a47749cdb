/**
 * Keys as small integers. Each distinct key of a dataset gets a slot, from 1; slot 0 belongs to no key, so that a rule
 * judged "without a previous row" is simply judged at slot 0. A single text key costs one look-up per distinct text of
 * a batch; other keys cost one per row and key field, without making text.
 */
import { assert } from "../base/index.ts";
import type { Batch, Column } from "../batch/index.ts";
import type { Contract } from "../contract/index.ts";

/** The slots of a batch's rows: that of a row is `codes[indexes[place]]`, or `indexes[place]` where `codes` is null. */
export interface BatchSlots {
  readonly indexes: Uint32Array;
  readonly codes: readonly number[] | null;
  /** Every slot that occurs, each once or oftener, and maybe a few more of texts no row uses. */
  readonly touched: ArrayLike<number>;
}

/** A checked batch with the slots of its keys. */
export interface SlottedBatch {
  readonly batch: Batch;
  readonly slots: BatchSlots;
  readonly times: Float64Array;
}

export const slotOf = ({ indexes, codes }: BatchSlots, place: number): number =>
  codes === null ? indexes[place]! : codes[indexes[place]!]!;

/** Distinct values of one column, or distinct pairs of (slot so far, value), numbered from 1. */
type Numbering = Map<string | number, number>;

/** Codes and slots stay below this, so that a pair of them is an exact double. */
const LARGEST = 2 ** 26;

export class KeySlots {
  readonly #columns: readonly number[];
  /** Per key field its distinct values; per further field the distinct pairs. */
  readonly #values: readonly Numbering[];
  readonly #pairs: readonly Numbering[];
  #count = 0;

  constructor(contract: Contract) {
    this.#columns = contract.key.map((name) => contract.layout.findIndex((field) => field.name === name));
    this.#values = this.#columns.map(() => new Map());
    this.#pairs = this.#columns.slice(1).map(() => new Map());
  }
  /** Keys known so far; the highest slot. */
  get count(): number {
    return this.#count;
  }

  of(batch: Batch): BatchSlots {
    if (this.#columns.length === 0) return this.#withoutKey(batch.count);
    const first = batch.columns[this.#columns[0]!]!;
    if (this.#columns.length === 1 && first.kind === "text") {
      const codes = textCodes(first.dictionary, this.#values[0]!);
      this.#count = this.#values[0]!.size;
      return { indexes: first.indexes, codes, touched: codes };
    }
    const slots = new Uint32Array(batch.count);
    writeCodes(first, this.#values[0]!, slots);
    const codes = new Uint32Array(batch.count);
    for (let field = 1; field < this.#columns.length; field++) {
      writeCodes(batch.columns[this.#columns[field]!]!, this.#values[field]!, codes);
      const pairs = this.#pairs[field - 1]!;
      for (let place = 0; place < slots.length; place++) {
        slots[place] = numberOf(pairs, slots[place]! * LARGEST + codes[place]!);
      }
    }
    this.#count = (this.#pairs.at(-1) ?? this.#values[0]!).size;
    return { indexes: slots, codes: null, touched: slots };
  }

  #withoutKey(count: number): BatchSlots {
    this.#count = 1;
    return { indexes: new Uint32Array(count).fill(1), codes: null, touched: [1] };
  }
}

function numberOf(numbering: Numbering, value: string | number): number {
  let number = numbering.get(value);
  if (number === undefined) {
    number = numbering.size + 1;
    assert(number < LARGEST, "a dataset has at most 2^26 keys");
    numbering.set(value, number);
  }
  return number;
}

/** A plain array: most dictionaries are small, and a small typed array costs far more to make. */
function textCodes(dictionary: readonly string[], numbering: Numbering): number[] {
  const codes: number[] = [];
  for (let place = 0; place < dictionary.length; place++) codes.push(numberOf(numbering, dictionary[place]!));
  return codes;
}

function writeCodes(column: Column, numbering: Numbering, into: Uint32Array): void {
  if (column.kind === "text") {
    const codes = textCodes(column.dictionary, numbering);
    for (let place = 0; place < into.length; place++) into[place] = codes[column.indexes[place]!]!;
    return;
  }
  const { values } = column;
  for (let place = 0; place < into.length; place++) into[place] = numberOf(numbering, values[place]!);
}
