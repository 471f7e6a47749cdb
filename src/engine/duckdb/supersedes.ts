/**
 * Which rows may supersede an earlier one: those not newer than the newest of their key. Kept per key, so that a
 * query need compare only marked rows with the rest; where keys are too many or not ids, every row is marked, which
 * costs time and is never wrong.
 */
import { type Batch, valueAt } from "../../batch/index.ts";

export const MOST_KEYS = 1_000_000;

export class SupersedeMarker {
  readonly #newest: Map<string, number>;

  /** Newest time by key text, of at most a million keys: where there are more, keys not among them are marked. */
  constructor(newest: Map<string, number>) {
    this.#newest = newest;
  }

  /** 1 for each row that may supersede one before it. */
  marks(batch: Batch, keyPlaces: readonly number[], timePlace: number): Uint8Array {
    const marks = new Uint8Array(batch.count);
    const time = batch.columns[timePlace]!;
    const keys = keyPlaces.map((place) => batch.columns[place]!);
    for (let place = 0; place < batch.count; place++) {
      const key = keyText(keys.map((column) => valueAt(column, place)));
      const at = valueAt(time, place) as number;
      const before = this.#newest.get(key);
      if (before !== undefined && at <= before) marks[place] = 1;
      else if (before !== undefined || this.#newest.size < MOST_KEYS) this.#newest.set(key, at);
      else marks[place] = 1;
    }
    return marks;
  }
}

export const keyText = (values: readonly unknown[]): string =>
  values.length === 1 ? String(values[0]) : JSON.stringify(values);
