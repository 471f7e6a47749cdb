/**
 * Numbers for key values: 0, 1, 2 … in order of first appearance in the log, so that they do not depend on how rows
 * were grouped. Text columns are looked up once per dictionary entry, not once per row.
 */
import { type Batch, type Value, valueAt } from "../batch/index.ts";

export class Keys {
  readonly #columns: readonly number[];
  readonly #byValue = new Map<Value, number>();
  #values: (readonly Value[])[] = [];
  #rowKeys = new Int32Array(0);

  /** @param columns places of the key fields in the source layout */
  constructor(columns: readonly number[]) {
    this.#columns = columns;
  }
  get count(): number {
    return this.#values.length;
  }
  valuesOf(key: number): readonly Value[] {
    return this.#values[key]!;
  }

  /** The key of each row, valid until the next call; there may be more places than rows. */
  of(batch: Batch): Int32Array {
    if (this.#rowKeys.length < batch.count) this.#rowKeys = new Int32Array(batch.count);
    const keys = this.#rowKeys;
    const [first] = this.#columns;
    if (first === undefined || this.#columns.length > 1) {
      for (let place = 0; place < batch.count; place++) keys[place] = this.#keyOf(this.#cells(batch, place));
      return keys;
    }
    const column = batch.columns[first]!;
    if (column.kind !== "text") {
      for (let place = 0; place < batch.count; place++) keys[place] = this.#keyOf([valueAt(column, place)]);
      return keys;
    }
    const { dictionary, indexes } = column;
    const known = new Int32Array(dictionary.length).fill(-1);
    for (let place = 0; place < batch.count; place++) {
      const index = indexes[place]!;
      let key = known[index]!;
      if (key < 0) {
        const text = dictionary[index]!;
        key = known[index] = this.#byValue.get(text) ?? this.#keyOf([text]);
      }
      keys[place] = key;
    }
    return keys;
  }

  save(): readonly (readonly Value[])[] {
    return this.#values.slice();
  }
  load(saved: readonly (readonly Value[])[]): void {
    this.#byValue.clear();
    this.#values = [];
    for (const values of saved) this.#keyOf(values);
  }

  #cells(batch: Batch, place: number): Value[] {
    return this.#columns.map((index) => valueAt(batch.columns[index]!, place));
  }
  #keyOf(values: readonly Value[]): number {
    const name = values.length === 1 ? values[0]! : JSON.stringify(values);
    const known = this.#byValue.get(name);
    if (known !== undefined) return known;
    const key = this.#values.push(values) - 1;
    this.#byValue.set(name, key);
    return key;
  }
}
