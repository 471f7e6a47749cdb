/**
 * What the gate knows of each key of a dataset: the newest accepted event time, the cells that rules may ask of the
 * previous row, and the floor below which an equal row may be stored without being among the recent rows.
 *
 * Each is held twice: the state of all batches admitted so far ("settled"), and the one that the batch under judgement
 * moves on. A batch that fails half-way is undone by copying its keys back; nothing is allocated for that.
 */
import { type Batch, type Column, columnKind, type Layout } from "../batch/index.ts";
import type { PreviousRows } from "../expression/index.ts";
import type { BatchSlots } from "./slots.ts";

type Cells = Float64Array | (string | null)[] | Uint8Array;

/** The cells of one field by slot. */
interface FieldCells {
  readonly index: number;
  cells: Cells;
  /** Undefined where the field is never null. */
  nulls: Uint8Array | undefined;
}

export class KeyStates {
  /** Newest accepted event time by slot; -Infinity before the first row. */
  newest = new Float64Array(0);
  /** An accepted row at or before this time may have left the recent rows; -Infinity where none has. */
  floor = new Float64Array(0);
  /** 1 where a key has an accepted row. */
  present = new Uint8Array(0);
  #settledNewest = new Float64Array(0);
  readonly #fields: readonly FieldCells[];
  readonly #settledFields: readonly FieldCells[];
  readonly #values: (Cells | undefined)[];
  readonly #nulls: (Uint8Array | undefined)[];

  /** `previousFields` are the columns that a rule asks of the previous row. */
  constructor(layout: Layout, previousFields: readonly number[]) {
    const empty = (index: number): FieldCells => ({
      index,
      cells: emptyCells(columnKind(layout[index]!.type)),
      nulls: layout[index]!.nullable ? new Uint8Array(0) : undefined,
    });
    this.#fields = previousFields.map(empty);
    this.#settledFields = previousFields.map(empty);
    this.#values = layout.map(() => undefined);
    this.#nulls = layout.map(() => undefined);
    this.grow(0);
  }

  /** Makes room for slots up to and including the given one. */
  grow(slot: number): void {
    if (slot < this.newest.length) return;
    const size = Math.max(64, 2 ** Math.ceil(Math.log2(slot + 1)));
    this.newest = grown(this.newest, size, Number.NEGATIVE_INFINITY);
    this.#settledNewest = grown(this.#settledNewest, size, Number.NEGATIVE_INFINITY);
    this.floor = grown(this.floor, size, Number.NEGATIVE_INFINITY);
    this.present = grown(this.present, size, 0);
    for (const field of [...this.#fields, ...this.#settledFields]) {
      field.cells = grownCells(field.cells, size);
      field.nulls &&= grown(field.nulls, size, 0);
    }
    for (const { index, cells, nulls } of this.#fields) {
      this.#values[index] = cells;
      this.#nulls[index] = nulls;
    }
  }

  /** For the compiled rules; good until the next `grow`. */
  get previous(): PreviousRows {
    return { present: this.present, values: this.#values, nulls: this.#nulls };
  }

  /** A function that takes the cells of a row of the batch as the newest of its key, or undefined where none are kept. */
  recorder(batch: Batch): ((place: number, slot: number) => void) | undefined {
    const records = this.#fields.map(({ index, cells, nulls }) => recordField(batch.columns[index]!, cells, nulls));
    if (records.length <= 1) return records[0];
    return (place, slot) => {
      for (let index = 0; index < records.length; index++) records[index]!(place, slot);
    };
  }

  /** The newest accepted times of some slots. */
  newestOf(slots: ArrayLike<number>): number[] {
    const times: number[] = [];
    for (let index = 0; index < slots.length; index++) times.push(this.newest[slots[index]!]!);
    return times;
  }

  /** Keeps what the batch changed. */
  settle({ touched }: BatchSlots): void {
    for (let index = 0; index < touched.length; index++) {
      const slot = touched[index]!;
      this.#settledNewest[slot] = this.newest[slot]!;
    }
    for (let index = 0; index < this.#fields.length; index++) {
      copyCells(this.#fields[index]!, this.#settledFields[index]!, touched);
    }
  }
  /** Forgets what the batch changed. */
  undo(slots: BatchSlots): void {
    this.undoTimes(slots);
    const { touched } = slots;
    for (let index = 0; index < touched.length; index++) {
      const slot = touched[index]!;
      this.present[slot] = this.newest[slot] === Number.NEGATIVE_INFINITY ? 0 : 1;
    }
    for (let index = 0; index < this.#fields.length; index++) {
      copyCells(this.#settledFields[index]!, this.#fields[index]!, touched);
    }
  }
  undoTimes({ touched }: BatchSlots): void {
    for (let index = 0; index < touched.length; index++) {
      const slot = touched[index]!;
      this.newest[slot] = this.#settledNewest[slot]!;
    }
  }
}

const emptyCells = (kind: Column["kind"]): Cells =>
  kind === "number" ? new Float64Array(0) : kind === "boolean" ? new Uint8Array(0) : [];

function grown<T extends Float64Array | Uint8Array>(from: T, size: number, fill: number): T {
  const to = (from instanceof Float64Array ? new Float64Array(size) : new Uint8Array(size)).fill(
    fill,
    from.length,
  ) as T;
  to.set(from);
  return to;
}

function grownCells(from: Cells, size: number): Cells {
  if (!Array.isArray(from)) return grown(from, size, 0);
  while (from.length < size) from.push(null);
  return from;
}

function copyCells(from: FieldCells, to: FieldCells, slots: ArrayLike<number>): void {
  if (from.cells instanceof Float64Array) copyNumbers(from.cells, to.cells as Float64Array, slots);
  else for (let index = 0; index < slots.length; index++) to.cells[slots[index]!] = from.cells[slots[index]!]!;
  if (from.nulls === undefined) return;
  for (let index = 0; index < slots.length; index++) to.nulls![slots[index]!] = from.nulls[slots[index]!]!;
}

function copyNumbers(from: Float64Array, to: Float64Array, slots: ArrayLike<number>): void {
  for (let index = 0; index < slots.length; index++) to[slots[index]!] = from[slots[index]!]!;
}

type Record = (place: number, slot: number) => void;

function recordField(column: Column, cells: Cells, nulls: Uint8Array | undefined): Record {
  if (column.kind === "text") {
    const { dictionary, indexes, nulls: empty } = column;
    return (place, slot) => {
      const isNull = empty !== null && empty[place] === 1;
      cells[slot] = isNull ? null! : dictionary[indexes[place]!]!;
      if (nulls !== undefined) nulls[slot] = isNull ? 1 : 0;
    };
  }
  const { values, nulls: empty } = column;
  const numbers = cells as Float64Array;
  if (nulls === undefined) {
    return (place, slot) => {
      numbers[slot] = values[place]!;
    };
  }
  return (place, slot) => {
    numbers[slot] = values[place]!;
    nulls[slot] = empty === null ? 0 : empty[place]!;
  };
}
