/** Making batches: cell by cell, from rows of values, or out of other batches. */
import { type Batch, type Column, type ColumnKind, columnKind, type Layout, type Value, valueAt } from "./types.ts";

/** Grows one column cell by cell. `null` may be added to any column. */
export class ColumnBuilder {
  readonly kind: ColumnKind;
  #numbers: Float64Array = new Float64Array(0);
  #indexes: Uint32Array = new Uint32Array(0);
  #booleans: Uint8Array = new Uint8Array(0);
  #nulls: Uint8Array | null = null;
  readonly #dictionary: string[] = [];
  readonly #places = new Map<string, number>();
  #count = 0;
  #capacity: number;

  constructor(kind: ColumnKind, capacity = 16) {
    this.kind = kind;
    this.#capacity = Math.max(1, capacity);
    this.#allocate();
  }
  get count(): number {
    return this.#count;
  }

  addNumber(value: number): void {
    if (this.#count === this.#capacity) this.#grow();
    this.#numbers[this.#count++] = value;
  }
  addText(value: string): void {
    if (this.#count === this.#capacity) this.#grow();
    let place = this.#places.get(value);
    if (place === undefined) {
      place = this.#dictionary.length;
      this.#dictionary.push(value);
      this.#places.set(value, place);
    }
    this.#indexes[this.#count++] = place;
  }
  addBoolean(value: boolean): void {
    if (this.#count === this.#capacity) this.#grow();
    this.#booleans[this.#count++] = value ? 1 : 0;
  }
  addNull(): void {
    if (this.#count === this.#capacity) this.#grow();
    this.#nulls ??= new Uint8Array(this.#capacity);
    this.#nulls[this.#count++] = 1;
  }
  add(value: Value): void {
    if (value === null) this.addNull();
    else if (this.kind === "number") this.addNumber(value as number);
    else if (this.kind === "text") this.addText(value as string);
    else this.addBoolean(value as boolean);
  }

  /** The column so far. The builder must not be used afterwards. */
  finish(): Column {
    const count = this.#count;
    const nulls = this.#nulls === null ? null : this.#nulls.subarray(0, count);
    switch (this.kind) {
      case "number":
        return { kind: "number", values: this.#numbers.subarray(0, count), nulls };
      case "text":
        // A column of nulls alone still needs one entry for its indexes to point at.
        if (this.#dictionary.length === 0 && count > 0) this.#dictionary.push("");
        return { kind: "text", dictionary: this.#dictionary, indexes: this.#indexes.subarray(0, count), nulls };
      case "boolean":
        return { kind: "boolean", values: this.#booleans.subarray(0, count), nulls };
    }
  }

  #allocate(): void {
    if (this.kind === "number") this.#numbers = resized(this.#numbers, new Float64Array(this.#capacity));
    else if (this.kind === "text") this.#indexes = resized(this.#indexes, new Uint32Array(this.#capacity));
    else this.#booleans = resized(this.#booleans, new Uint8Array(this.#capacity));
    if (this.#nulls !== null) this.#nulls = resized(this.#nulls, new Uint8Array(this.#capacity));
  }
  #grow(): void {
    this.#capacity *= 2;
    this.#allocate();
  }
}

function resized<T extends Float64Array | Uint32Array | Uint8Array>(from: T, to: T): T {
  to.set(from as never);
  return to;
}

/** A batch from rows of cells in the layout's order. */
export function batchOfCells(layout: Layout, rows: Iterable<readonly Value[]>): Batch {
  const builders = layout.map((field) => new ColumnBuilder(columnKind(field.type)));
  let count = 0;
  for (const row of rows) {
    for (let index = 0; index < builders.length; index++) builders[index]!.add(row[index] ?? null);
    count += 1;
  }
  return { count, columns: builders.map((builder) => builder.finish()) };
}

/** A batch from objects by the layout's names; a missing or undefined property is null. Nothing is checked. */
export function batchOfRows(layout: Layout, rows: readonly Readonly<Record<string, unknown>>[]): Batch {
  const columns = layout.map(({ name, type }) => {
    const builder = new ColumnBuilder(columnKind(type), rows.length);
    for (let place = 0; place < rows.length; place++) builder.add((rows[place]![name] as Value | undefined) ?? null);
    return builder.finish();
  });
  return { count: rows.length, columns };
}

export const emptyBatch = (layout: Layout): Batch => batchOfCells(layout, []);

/** The rows at the given places, in that order. Dictionaries are cut to what is used. */
export function takeRows(batch: Batch, places: Uint32Array | readonly number[]): Batch {
  const count = places.length;
  return { count, columns: batch.columns.map((column) => takeColumn(column, places)) };
}

function takeColumn(column: Column, places: Uint32Array | readonly number[]): Column {
  const count = places.length;
  const nulls = takeNulls(column.nulls, places);
  if (column.kind === "text") {
    const { dictionary, indexes } = column;
    const moved = new Int32Array(dictionary.length).fill(-1);
    const kept: string[] = [];
    const taken = new Uint32Array(count);
    for (let to = 0; to < count; to++) {
      // What lies under a null is no text of the column: its index is 0, as the builder has it.
      if (nulls !== null && nulls[to] === 1) continue;
      const from = indexes[places[to]!]!;
      let place = moved[from]!;
      if (place < 0) {
        place = kept.push(dictionary[from]!) - 1;
        moved[from] = place;
      }
      taken[to] = place;
    }
    if (kept.length === 0 && count > 0) kept.push("");
    return { kind: "text", dictionary: kept, indexes: taken, nulls };
  }
  const from = column.values;
  const values = column.kind === "number" ? new Float64Array(count) : new Uint8Array(count);
  for (let to = 0; to < count; to++) values[to] = from[places[to]!]!;
  return { kind: column.kind, values, nulls } as Column;
}

function takeNulls(nulls: Uint8Array | null, places: Uint32Array | readonly number[]): Uint8Array | null {
  if (nulls === null) return null;
  const taken = new Uint8Array(places.length);
  let any = 0;
  for (let to = 0; to < places.length; to++) any |= taken[to] = nulls[places[to]!]!;
  return any === 0 ? null : taken;
}

/** Rows of several batches of one layout, one behind the other. A single batch is returned as it is. */
export function concatBatches(batches: readonly Batch[]): Batch {
  if (batches.length === 1) return batches[0]!;
  const count = batches.reduce((sum, batch) => sum + batch.count, 0);
  const width = batches[0]?.columns.length ?? 0;
  const columns = Array.from({ length: width }, (_, index) => {
    const builder = new ColumnBuilder(batches[0]!.columns[index]!.kind, count);
    for (const batch of batches) {
      const column = batch.columns[index]!;
      for (let place = 0; place < batch.count; place++) builder.add(valueAt(column, place));
    }
    return builder.finish();
  });
  return { count, columns };
}

/** Whether two rows of one layout hold the same cells, exactly. */
export function sameRow(left: Batch, leftPlace: number, right: Batch, rightPlace: number): boolean {
  for (let index = 0; index < left.columns.length; index++) {
    if (valueAt(left.columns[index]!, leftPlace) !== valueAt(right.columns[index]!, rightPlace)) return false;
  }
  return true;
}
