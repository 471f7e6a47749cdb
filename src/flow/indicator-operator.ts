/**
 * Technical indicators, key by key in event-time order. Each new source row gives one row; a corrected or late one
 * also corrects every later row whose values it changes.
 */
import { type Batch, emptyBatch, type Layout, type NumberColumn, type Value } from "../batch/index.ts";
import type { SeriesContract } from "../contract/index.ts";
import type { Change, Commit, Operation, Position } from "../log/index.ts";
import { IndicatorHistory } from "./indicator-history.ts";
import { IndicatorPlan } from "./indicator-plan.ts";
import { loadHistories, type SavedHistories, saveHistories } from "./indicator-snapshot.ts";
import { Keys } from "./keys.ts";
import type { Operator } from "./operator.ts";
import type { Outputs } from "./outputs.ts";
import type { IndicatorFlowSpec } from "./types.ts";

/** Where a source row stands. */
interface Place {
  readonly operation: Operation;
  readonly position: Position;
  readonly sourcePlace: number;
}

export class IndicatorOperator implements Operator {
  readonly openWindows = 0;
  readonly #spec: IndicatorFlowSpec;
  readonly #sink: Outputs;
  readonly #layout: Layout;
  readonly #keys: Keys;
  readonly #plan: IndicatorPlan;
  readonly #timeColumn: number;
  readonly #inputColumns: readonly number[];
  #histories: IndicatorHistory[] = [];
  /** Of the row at hand. */
  readonly #inputs: Float64Array;
  readonly #outputs: Float64Array;

  constructor(spec: IndicatorFlowSpec, source: SeriesContract, outputs: Outputs) {
    const place = (field: string): number => source.layout.findIndex(({ name }) => name === field);
    this.#spec = spec;
    this.#sink = outputs;
    this.#layout = spec.into.layout;
    this.#keys = new Keys(source.key.map(place));
    this.#plan = new IndicatorPlan(spec.indicators);
    this.#timeColumn = place(source.time);
    this.#inputColumns = this.#plan.inputs.map(place);
    this.#inputs = new Float64Array(this.#inputColumns.length);
    this.#outputs = new Float64Array(this.#plan.outputWidth);
  }
  get keys(): number {
    return this.#keys.count;
  }
  get retained(): number {
    return this.#histories.reduce((sum, history) => sum + history.length, 0);
  }

  rows({ batch, operation }: Change, { position }: Commit, before: number): void {
    const times = (batch.columns[this.#timeColumn] as NumberColumn).values;
    const keys = this.#keys.of(batch);
    while (this.#histories.length < this.#keys.count) this.#histories.push(this.#newHistory());
    for (let row = 0; row < batch.count; row++) {
      const time = times[row]!;
      const key = keys[row]!;
      this.#read(batch, row);
      if (this.#histories[key]!.append(time, this.#inputs, this.#outputs)) {
        this.#sink.emit({ operation: "append", cells: this.#cells(key, time, this.#outputs, 0) });
      } else this.#change(key, time, { operation, position, sourcePlace: before + row });
    }
  }
  rowsEnd(): void {}
  sessionEvent(): void {}
  provisional(): Batch {
    return emptyBatch(this.#layout);
  }

  save(): unknown {
    return { keys: this.#keys.save(), histories: saveHistories(this.#histories) };
  }
  load(saved: unknown): void {
    const { keys, histories } = saved as { keys: Value[][]; histories: SavedHistories };
    this.#keys.load(keys);
    this.#histories = loadHistories(histories, this.#plan, () => this.#newHistory());
  }
  reset(): void {
    this.#keys.load([]);
    this.#histories = [];
  }

  /** A row that is not the newest of its key. */
  #change(key: number, time: number, { operation, position, sourcePlace }: Place): void {
    const changed = this.#histories[key]!.change(time, this.#inputs);
    if (changed === undefined) {
      this.#sink.leave({ reason: "beyond_retention", position, sourcePlace, time });
      return;
    }
    // A row among known ones replaced one; had it been new, there would be a new row.
    const inserted = operation === "append" && changed.some(({ former }) => former === undefined);
    const reason = inserted ? ("late_row" as const) : ("correction" as const);
    for (const row of changed) {
      const cells = this.#cells(key, row.time, row.outputs, row.revision);
      if (row.former === undefined) this.#sink.emit({ operation: "append", cells });
      else {
        const replaced = this.#cells(key, row.time, row.former, row.revision - 1);
        this.#sink.emit({ operation: "correct", cells, why: { reason, position, sourcePlace, replaced } });
      }
    }
  }
  #newHistory(): IndicatorHistory {
    return new IndicatorHistory(this.#plan, this.#spec.retained);
  }
  /** Fields that were added to the contract after a batch was written are null. */
  #read(batch: Batch, row: number): void {
    for (let index = 0; index < this.#inputColumns.length; index++) {
      const column = batch.columns[this.#inputColumns[index]!] as NumberColumn | undefined;
      const isNull = column === undefined || (column.nulls !== null && column.nulls[row] === 1);
      this.#inputs[index] = isNull ? NaN : column.values[row]!;
    }
  }
  #cells(key: number, time: number, outputs: Float64Array, revision: number): Value[] {
    const cells: Value[] = [...this.#keys.valuesOf(key), time];
    for (let place = 0; place < outputs.length; place++) {
      const value = outputs[place]!;
      cells.push(Number.isNaN(value) ? null : value);
    }
    cells.push(revision);
    return cells;
  }
}
