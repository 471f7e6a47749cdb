/**
 * What waits for a slow subscriber that asked for conflation: the newest row of each key, and how many rows it stands
 * for. Newest by event time, of equal times the last in log order. Rows are kept as cells, so that no commit is held
 * in memory for the sake of one of its rows.
 */
import { type Batch, batchOfCells, type Layout, type Value, valueAt } from "../batch/index.ts";
import type { Contract } from "../contract/index.ts";

interface Kept {
  time: number;
  cells: Value[];
}

export class Conflation {
  /** Rows that came in. */
  rows = 0;
  readonly #kept = new Map<string, Kept>();
  readonly #key: readonly number[];
  readonly #time: number;
  readonly #columns: readonly number[];

  /** `layout` has the wanted fields only; the key and the time are read from whole rows. */
  constructor(contract: Contract, layout: Layout) {
    const placeOf = (name: string): number => contract.layout.findIndex((field) => field.name === name);
    this.#key = contract.key.map(placeOf);
    this.#time = placeOf(contract.time);
    this.#columns = layout.map(({ name }) => placeOf(name));
  }
  get keys(): number {
    return this.#kept.size;
  }

  /** Takes whole rows, in log order. */
  add(batch: Batch, places: Uint32Array | undefined): void {
    const count = places === undefined ? batch.count : places.length;
    for (let index = 0; index < count; index++) this.#addRow(batch, places === undefined ? index : places[index]!);
    this.rows += count;
  }
  #addRow(batch: Batch, place: number): void {
    let key = "";
    for (const column of this.#key) {
      const value = String(valueAt(batch.columns[column]!, place));
      key += `${value.length}:${value}`;
    }
    const time = valueAt(batch.columns[this.#time]!, place) as number;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.time > time) return;
    const cells = this.#columns.map((column) => valueAt(batch.columns[column]!, place));
    // Set anew, so that the rows leave in the order in which they last changed.
    this.#kept.delete(key);
    this.#kept.set(key, { time, cells });
  }

  /** The rows that wait, oldest change first; afterwards nothing waits. */
  take(layout: Layout): Batch {
    const batch = batchOfCells(
      layout,
      Array.from(this.#kept.values(), (kept) => kept.cells),
    );
    this.#kept.clear();
    this.rows = 0;
    return batch;
  }
}
