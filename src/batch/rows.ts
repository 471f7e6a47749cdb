/** Rows as objects, for people, JSON and callbacks; made from columns only at the edge that needs them. */
import { type Batch, type Column, type Layout, type Value, valueAt } from "./types.ts";

export type Row = Record<string, Value>;

/** One row as an object by the layout's names. */
export function rowAt(layout: Layout, batch: Batch, place: number): Row {
  const row: Row = {};
  for (let index = 0; index < layout.length; index++) row[layout[index]!.name] = valueAt(batch.columns[index]!, place);
  return row;
}

export function rowsOf(layout: Layout, batch: Batch): Row[] {
  return createRowReader(layout)(batch);
}

/**
 * A reader of whole batches whose rows all share one hidden class: the row maker is generated once from the layout's
 * names (as JSON strings, so that no name can be code). Browsers whose policy forbids generated code get a plain loop.
 */
export function createRowReader(layout: Layout): (batch: Batch) => Row[] {
  const make = rowMaker(layout.map(({ name }) => name));
  const read = layout.map(
    () =>
      (_: number): Value =>
        null,
  );
  return (batch) => {
    for (let index = 0; index < read.length; index++) read[index] = cellReader(batch.columns[index]!);
    const rows: Row[] = new Array(batch.count);
    for (let place = 0; place < batch.count; place++) rows[place] = make(read, place);
    return rows;
  };
}

type RowMaker = (read: readonly ((place: number) => Value)[], place: number) => Row;

function rowMaker(names: readonly string[]): RowMaker {
  const properties = names.map((name, index) => `[${JSON.stringify(name)}]: read[${index}](place)`).join(", ");
  try {
    return new Function("read", "place", `return { ${properties} };`) as RowMaker;
  } catch {
    return (read, place) => Object.fromEntries(names.map((name, index) => [name, read[index]!(place)]));
  }
}

function cellReader(column: Column): (place: number) => Value {
  if (column.nulls !== null || column.kind === "boolean") return (place) => valueAt(column, place);
  if (column.kind === "number") {
    const { values } = column;
    return (place) => values[place]!;
  }
  const { dictionary, indexes } = column;
  return (place) => dictionary[indexes[place]!]!;
}
