/**
 * Technical indicators, key by key in event-time order. Each new source row gives one row; a corrected or late one
 * also corrects every later row whose values it changes.
 */
import { type Batch, emptyBatch, type Layout, type NumberColumn, type Value, valueAt } from "../batch/index.ts";
import type { SeriesContract } from "../contract/index.ts";
import type { Change, Commit } from "../log/index.ts";
import { type Cell, IndicatorHistory } from "./indicator-history.ts";
import { Keys } from "./keys.ts";
import type { Operator } from "./operator.ts";
import type { Outputs } from "./outputs.ts";
import type { IndicatorFlowSpec } from "./types.ts";

export class IndicatorOperator implements Operator {
  readonly openWindows = 0;
  readonly #spec: IndicatorFlowSpec;
  readonly #outputs: Outputs;
  readonly #layout: Layout;
  readonly #keys: Keys;
  readonly #histories: IndicatorHistory[] = [];
  readonly #timeColumn: number;
  readonly #inputColumns: readonly number[];

  constructor(spec: IndicatorFlowSpec, source: SeriesContract, outputs: Outputs) {
    const place = (field: string): number => source.layout.findIndex(({ name }) => name === field);
    this.#spec = spec;
    this.#outputs = outputs;
    this.#layout = spec.into.layout;
    this.#keys = new Keys(source.key.map(place));
    this.#timeColumn = place(source.time);
    this.#inputColumns = spec.indicators.flatMap(({ inputs }) => inputs.map(place));
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
      const inputs = this.#inputColumns.map((index) => cellAt(batch, index, row));
      const changed = this.#histories[key]!.put(time, inputs);
      const sourcePlace = before + row;
      if (changed === undefined) {
        this.#outputs.leave({ reason: "beyond_retention", position, sourcePlace, time });
        continue;
      }
      // A row among known ones replaced one; had it been new, there would be a new row.
      const inserted = operation === "append" && changed.some(({ former }) => former === undefined);
      const reason = inserted ? ("late_row" as const) : ("correction" as const);
      for (const entry of changed) {
        const cells = this.#cells(key, entry.time, entry.outputs, entry.revision);
        if (entry.former === undefined) this.#outputs.emit({ operation: "append", cells });
        else {
          const replaced = this.#cells(key, entry.time, entry.former, entry.revision - 1);
          this.#outputs.emit({ operation: "correct", cells, why: { reason, position, sourcePlace, replaced } });
        }
      }
    }
  }
  rowsEnd(): void {}
  sessionEvent(): void {}
  provisional(): Batch {
    return emptyBatch(this.#layout);
  }

  save(): unknown {
    return { keys: this.#keys.save(), histories: this.#histories.map((history) => history.save()) };
  }
  load(saved: unknown): void {
    const { keys, histories } = saved as { keys: Value[][]; histories: readonly unknown[] };
    this.#keys.load(keys);
    this.#histories.length = 0;
    for (const each of histories) {
      const history = this.#newHistory();
      history.load(each);
      this.#histories.push(history);
    }
  }
  reset(): void {
    this.#keys.load([]);
    this.#histories.length = 0;
  }

  #newHistory(): IndicatorHistory {
    return new IndicatorHistory(this.#spec.indicators, this.#spec.retained);
  }
  #cells(key: number, time: number, outputs: readonly Cell[], revision: number): Value[] {
    return [...this.#keys.valuesOf(key), time, ...outputs, revision];
  }
}

/** Fields that were added to the contract after a batch was written are null. */
function cellAt(batch: Batch, index: number, row: number): Cell {
  const column = batch.columns[index];
  return column === undefined ? null : (valueAt(column, row) as Cell);
}
