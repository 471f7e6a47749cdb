/**
 * All aggregates of a flow over the slots of its windows. Where a source row can be superseded later, the rows of each
 * window are kept, and the window is computed anew from them.
 */
import {
  type Batch,
  batchOfCells,
  type Column,
  columnKind,
  type Layout,
  type NumberColumn,
  type Value,
  valueAt,
} from "../batch/index.ts";
import { type Aggregate, checkExpression, compileColumn, type Expression } from "../expression/index.ts";
import type { Accumulator, AccumulatorInput, Pairs } from "./accumulator.ts";
import { createAccumulator } from "./accumulators.ts";
import { type Packed, packed } from "./packed.ts";
import type { SlotContent } from "./windows.ts";

type Read = (batch: Batch) => Column;

/** What tells the rows of a window apart: their time where that is enough. */
export type RowIdentity = number | string;

/** The kept rows of many windows, one window behind the other. */
interface SavedKept {
  readonly counts: Packed;
  /** Null where they are the times, which are the first cells of the rows. */
  readonly identities: readonly RowIdentity[] | null;
  readonly rows: Batch;
}
interface SavedAggregation {
  readonly columns: readonly unknown[];
  readonly kept?: SavedKept;
}

export class Aggregation implements SlotContent {
  readonly #accumulators: readonly Accumulator[];
  readonly #reads: readonly { readonly input?: Read; readonly weight?: Read }[];
  readonly #inputLayout: Layout;
  readonly #keepsRows: boolean;
  readonly #kept = new Map<number, Map<RowIdentity, readonly Value[]>>();
  #inputs: AccumulatorInput[] = [];

  /** @param layout of the extended source */
  constructor(aggregates: readonly Aggregate[], layout: Layout, keepsRows: boolean) {
    const inputLayout: { name: string; type: Layout[number]["type"]; nullable: boolean }[] = [
      { name: "time", type: "instant", nullable: false },
    ];
    const reader = (expression: Expression | undefined, part: "input" | "weight") => {
      if (expression === undefined) return {};
      inputLayout.push({ name: "", ...checkExpression(expression, layout, { allowPrevious: false }) });
      return { [part]: compileColumn(expression, layout) };
    };
    this.#reads = aggregates.map(({ input, weight }) => ({ ...reader(input, "input"), ...reader(weight, "weight") }));
    this.#accumulators = aggregates.map((aggregate) =>
      createAccumulator(aggregate.function, inputKind(aggregate, layout)),
    );
    this.#inputLayout = inputLayout;
    this.#keepsRows = keepsRows;
  }

  /** Sets the rows that `add` and `keep` speak of. */
  bind(batch: Batch, times: Float64Array): void {
    this.#inputs = this.#reads.map(({ input, weight }) => ({
      times,
      ...(input === undefined ? {} : { input: input(batch) }),
      ...(weight === undefined ? {} : { weight: weight(batch) }),
    }));
  }
  add(pairs: Pairs, from: number, to: number): void {
    for (let index = 0; index < this.#accumulators.length; index++) {
      this.#accumulators[index]!.add(this.#inputs[index]!, pairs, from, to);
    }
  }
  values(slot: number): Value[] {
    return this.#accumulators.map((accumulator) => accumulator.value(slot));
  }

  holds(slot: number, identity: RowIdentity): boolean {
    return this.#kept.get(slot)?.has(identity) ?? false;
  }
  /** Adds a row to a slot, or replaces the one of the same identity. */
  keep(slot: number, identity: RowIdentity, time: number, row: number): void {
    const cells: Value[] = [time];
    for (const { input, weight } of this.#inputs) {
      if (input !== undefined) cells.push(valueAt(input, row));
      if (weight !== undefined) cells.push(valueAt(weight, row));
    }
    const rows = this.#keptOf(slot);
    const replaces = rows.has(identity);
    rows.set(identity, cells);
    if (replaces) this.#recompute(slot, [...rows.values()]);
    else this.#addCells(slot, [cells]);
  }
  drop(slot: number, identity: RowIdentity): void {
    const rows = this.#keptOf(slot);
    rows.delete(identity);
    this.#recompute(slot, [...rows.values()]);
  }

  grow(capacity: number): void {
    for (const accumulator of this.#accumulators) accumulator.grow(capacity);
  }
  clear(slot: number): void {
    for (const accumulator of this.#accumulators) accumulator.clear(slot);
    this.#kept.delete(slot);
  }
  save(slots: readonly number[]): SavedAggregation {
    const columns = this.#accumulators.map((accumulator) => accumulator.save(slots));
    return this.#keepsRows ? { columns, kept: this.#saveKept(slots) } : { columns };
  }
  load(slots: readonly number[], saved: unknown): void {
    const { columns, kept } = saved as SavedAggregation;
    for (const [index, accumulator] of this.#accumulators.entries()) accumulator.load(slots, columns[index]);
    if (kept === undefined) return;
    let place = 0;
    slots.forEach((slot, index) => {
      const rows = this.#keptOf(slot);
      for (const through = place + kept.counts[index]!; place < through; place++) {
        const cells = kept.rows.columns.map((column) => valueAt(column, place));
        rows.set(kept.identities === null ? (cells[0] as number) : kept.identities[place]!, cells);
      }
    });
  }
  #saveKept(slots: readonly number[]): SavedKept {
    const kept = slots.map((slot) => this.#keptOf(slot));
    const identities = kept.flatMap((rows) => [...rows.keys()]);
    return {
      counts: packed(kept.map(({ size }) => size)),
      identities: identities.every((identity) => typeof identity === "number") ? null : identities,
      rows: batchOfCells(
        this.#inputLayout,
        kept.flatMap((rows) => [...rows.values()]),
      ),
    };
  }

  #keptOf(slot: number): Map<RowIdentity, readonly Value[]> {
    let rows = this.#kept.get(slot);
    if (rows === undefined) {
      rows = new Map();
      this.#kept.set(slot, rows);
    }
    return rows;
  }
  #recompute(slot: number, rows: readonly (readonly Value[])[]): void {
    for (const accumulator of this.#accumulators) accumulator.clear(slot);
    this.#addCells(slot, rows);
  }
  #addCells(slot: number, cells: readonly (readonly Value[])[]): void {
    const { columns } = batchOfCells(this.#inputLayout, cells);
    const times = (columns[0] as NumberColumn).values;
    const pairs = { slots: new Int32Array(cells.length).fill(slot), rows: Int32Array.from(cells.keys()) };
    let next = 1;
    for (let index = 0; index < this.#accumulators.length; index++) {
      const { input, weight } = this.#reads[index]!;
      const given: AccumulatorInput = {
        times,
        ...(input === undefined ? {} : { input: columns[next++]! }),
        ...(weight === undefined ? {} : { weight: columns[next++]! }),
      };
      this.#accumulators[index]!.add(given, pairs, 0, cells.length);
    }
  }
}

function inputKind({ input }: Aggregate, layout: Layout) {
  if (input === undefined) return "integer";
  const { type } = checkExpression(input, layout, { allowPrevious: false });
  return columnKind(type) === "text" ? "text" : type;
}
