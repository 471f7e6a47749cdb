/**
 * Row by row: filter and derive. Nothing is remembered. A corrected source row gives a correction of its derived row;
 * the superseded cells are known where the correction of the source says them.
 */
import {
  type Batch,
  batchOfCells,
  emptyBatch,
  type Layout,
  type NumberColumn,
  type Value,
  valueAt,
} from "../batch/index.ts";
import type { SeriesContract } from "../contract/index.ts";
import type { Change, Commit, Correction } from "../log/index.ts";
import type { Operator } from "./operator.ts";
import type { Outputs } from "./outputs.ts";
import { createSourceReader, type SourceReader } from "./source-reader.ts";
import type { MapFlowSpec } from "./types.ts";

export class MapOperator implements Operator {
  readonly openWindows = 0;
  readonly retained = 0;
  readonly keys = 0;
  readonly #reader: SourceReader;
  readonly #outputs: Outputs;
  readonly #layout: Layout;
  readonly #source: SeriesContract;
  readonly #timeColumn: number;

  constructor(spec: MapFlowSpec, source: SeriesContract, outputs: Outputs) {
    this.#reader = createSourceReader(source.layout, spec.where, spec.derive);
    this.#outputs = outputs;
    this.#layout = spec.into.layout;
    this.#source = source;
    this.#timeColumn = source.layout.findIndex(({ name }) => name === source.time);
  }

  rows(change: Change, { cause, position }: Commit, before: number): void {
    const { batch, passes } = this.#reader.read(change.batch);
    const corrects = change.operation === "correct";
    const known = new Map<number, Correction>();
    if (corrects && cause.kind === "flow") for (const each of cause.corrections ?? []) known.set(each.place, each);
    for (let row = 0; row < batch.count; row++) {
      const why = known.get(row);
      const former = why === undefined || why.replaced.length === 0 ? undefined : this.#derived(why.replaced);
      if (passes === null || passes[row] === 1) {
        const cells = batch.columns.map((column) => valueAt(column, row));
        // A row that the filter kept out before has nothing to supersede.
        if (!corrects || former === null) this.#outputs.emit({ operation: "append", cells });
        else {
          const source = { reason: "correction" as const, position, sourcePlace: before + row };
          this.#outputs.emit({ operation: "correct", cells, why: { ...source, replaced: former ?? [] } });
        }
      } else if (corrects && former !== null) {
        const time = (batch.columns[this.#timeColumn] as NumberColumn).values[row]!;
        this.#outputs.leave({ reason: "no_longer_matches", position, sourcePlace: before + row, time });
      }
    }
  }
  rowsEnd(): void {}
  sessionEvent(): void {}
  provisional(): Batch {
    return emptyBatch(this.#layout);
  }
  save(): unknown {
    return {};
  }
  load(): void {}
  reset(): void {}

  /** What a former source row had been derived to; null where the filter kept it out. */
  #derived(cells: readonly Value[]): readonly Value[] | null {
    const { batch, passes } = this.#reader.read(batchOfCells(this.#source.layout, [cells]));
    return passes !== null && passes[0] === 0 ? null : batch.columns.map((column) => valueAt(column, 0));
  }
}
