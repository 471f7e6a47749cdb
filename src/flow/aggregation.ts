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
import { type Accumulator, type AccumulatorInput, createAccumulator, type Pairs } from "./accumulators.ts";
import type { SlotContent } from "./windows.ts";

type Read = (batch: Batch) => Column;

export class Aggregation implements SlotContent {
  readonly #accumulators: readonly Accumulator[];
  readonly #reads: readonly { readonly input?: Read; readonly weight?: Read }[];
  readonly #inputLayout: Layout;
  readonly #keepsRows: boolean;
  readonly #kept = new Map<number, Map<string, readonly Value[]>>();
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

  holds(slot: number, identity: string): boolean {
    return this.#kept.get(slot)?.has(identity) ?? false;
  }
  /** Adds a row to a slot, or replaces the one of the same identity. */
  keep(slot: number, identity: string, time: number, row: number): void {
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
  drop(slot: number, identity: string): void {
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
  save(slot: number): unknown {
    const states = this.#accumulators.map((accumulator) => accumulator.save(slot));
    return this.#keepsRows ? { states, rows: [...this.#keptOf(slot)] } : { states };
  }
  load(slot: number, saved: unknown): void {
    const { states, rows } = saved as { states: readonly unknown[]; rows?: readonly [string, readonly Value[]][] };
    for (const [index, accumulator] of this.#accumulators.entries()) accumulator.load(slot, states[index]);
    if (rows !== undefined) this.#kept.set(slot, new Map(rows));
  }

  #keptOf(slot: number): Map<string, readonly Value[]> {
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
