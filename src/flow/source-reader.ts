/** What a flow sees of a source batch: its columns, the derived ones behind them, and which rows pass the filter. */
import { type Batch, batchOfCells, type Column, type Layout, type LayoutField } from "../batch/index.ts";
import { checkExpression, compileColumn, compileFilter, type Expression } from "../expression/index.ts";

export interface SourceRows {
  /** In the extended layout. */
  readonly batch: Batch;
  /** 1 per row that passes; null where all do. */
  readonly passes: Uint8Array | null;
}

export interface SourceReader {
  /** The source's fields, then the derived ones. */
  readonly layout: Layout;
  read(batch: Batch): SourceRows;
}

/** @throws as `checkExpression` does, where an expression does not fit the source */
export function createSourceReader(
  source: Layout,
  where: Expression | undefined,
  derive: Readonly<Record<string, Expression>>,
): SourceReader {
  const filter = where === undefined ? undefined : compileFilter(where, source);
  const layout = extendedLayout(source, derive);
  const columns = Object.values(derive).map((expression, index) =>
    compileColumn(expression, layout.slice(0, source.length + index)),
  );
  return {
    layout,
    read(given) {
      const base = completed(given, source);
      const passes = filter === undefined ? null : passing(filter, base);
      const extended: Column[] = [...base.columns];
      for (const column of columns) extended.push(column({ count: base.count, columns: extended }));
      return { batch: { count: base.count, columns: extended }, passes };
    },
  };
}

/** The source's fields and the derived ones behind them, each of which may use those before it. */
export function extendedLayout(source: Layout, derive: Readonly<Record<string, Expression>>): Layout {
  const layout: LayoutField[] = [...source];
  for (const [name, expression] of Object.entries(derive)) {
    layout.push({ name, ...checkExpression(expression, layout, { allowPrevious: false }) });
  }
  return layout;
}

/** Rows written under an older contract lack the fields that were added since: they are null. */
function completed(batch: Batch, layout: Layout): Batch {
  if (batch.columns.length >= layout.length) return batch;
  const missing = layout.slice(batch.columns.length);
  const nulls = batchOfCells(
    missing,
    Array.from({ length: batch.count }, () => []),
  );
  return { count: batch.count, columns: [...batch.columns, ...nulls.columns] };
}

function passing(filter: ReturnType<typeof compileFilter>, batch: Batch): Uint8Array | null {
  const places = new Uint32Array(batch.count);
  const count = filter(batch, places);
  if (count === batch.count) return null;
  const passes = new Uint8Array(batch.count);
  for (let index = 0; index < count; index++) passes[places[index]!] = 1;
  return passes;
}
