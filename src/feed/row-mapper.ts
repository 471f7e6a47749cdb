/**
 * From the facts of a source to the rows of a dataset: a declared choice of columns, so that no feed knows the pool
 * it works for. Columns are handed over, not copied.
 */

import { type ErrorDetails, fail } from "../base/index.ts";
import {
  type Batch,
  type Column,
  ColumnBuilder,
  columnKind,
  type Layout,
  type Value,
  valueAt,
} from "../batch/index.ts";

/** Where a column of the dataset comes from: a fact by name, or one value for all rows. */
export type ColumnSource = string | { readonly constant: Value };

export interface RowMapper {
  readonly dataset: string;
  /** A batch of the source's facts to one in the dataset's layout. */
  map(facts: Batch): Batch;
}

/**
 * @param columns by field of the dataset; default: the fact of the same name. A field without a fact is null.
 * @throws `feed_columns_invalid`
 */
export function rowMapper(
  dataset: string,
  target: Layout,
  source: Layout,
  columns: Readonly<Record<string, ColumnSource>> = {},
): RowMapper {
  const problem = (text: string): ErrorDetails => ({ dataset, problem: text });
  for (const field of Object.keys(columns)) {
    if (!target.some(({ name }) => name === field))
      throw fail("feed_columns_invalid", problem(`it has no field '${field}'`));
  }
  const makers = target.map(({ name, type }) => {
    const from = Object.hasOwn(columns, name) ? columns[name]! : name;
    const kind = columnKind(type);
    if (typeof from === "object") return constantColumn(kind, from.constant);
    const place = source.findIndex((field) => field.name === from);
    if (place < 0) {
      if (Object.hasOwn(columns, name)) throw fail("feed_columns_invalid", problem(`the source gives no '${from}'`));
      return constantColumn(kind, null);
    }
    const sourceKind = columnKind(source[place]!.type);
    if (sourceKind === kind) return (facts: Batch) => facts.columns[place]!;
    // Numbers become the canonical text of a decimal field; no other change of kind has one meaning.
    if (sourceKind === "number" && type === "decimal") return (facts: Batch) => decimalColumn(facts, place);
    throw fail("feed_columns_invalid", problem(`'${from}' is ${source[place]!.type} but '${name}' is ${type}`));
  });
  return { dataset, map: (facts) => ({ count: facts.count, columns: makers.map((make) => make(facts)) }) };
}

function constantColumn(kind: Column["kind"], value: Value): (facts: Batch) => Column {
  return ({ count }) => {
    const builder = new ColumnBuilder(kind, count);
    for (let place = 0; place < count; place++) builder.add(value);
    return builder.finish();
  };
}

function decimalColumn(facts: Batch, place: number): Column {
  const column = facts.columns[place]!;
  const builder = new ColumnBuilder("text", facts.count);
  for (let row = 0; row < facts.count; row++) {
    const value = valueAt(column, row);
    if (value === null) builder.addNull();
    else builder.addText(plainNumber(value as number));
  }
  return builder.finish();
}

/** Without exponent: `1e-7` → `0.0000001`. */
function plainNumber(value: number): string {
  const text = String(value);
  return text.includes("e") && Number.isFinite(value) ? value.toFixed(20).replace(/\.?0+$/, "") : text;
}
