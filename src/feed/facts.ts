/** The facts that feeds of market data give, under one name each, whatever their source calls them. */
import type { Layout, LayoutField, ValueType } from "../batch/index.ts";
import { type ColumnSource, type RowMapper, rowMapper } from "./row-mapper.ts";

const fact = (name: string, type: ValueType, nullable = true): LayoutField => ({ name, type, nullable });

/** A quote. `flags` says what changed, as the terminal counts it (2 bid, 4 ask, 8 last, 16 volume). */
export const tickFacts: Layout = [
  fact("symbol", "text", false),
  fact("time", "instant", false),
  fact("bid", "float"),
  fact("ask", "float"),
  fact("last", "float"),
  fact("volume", "float"),
  fact("flags", "integer"),
];

/** How the ticks of a bridge become rows of a dataset; see `rowMapper`. */
export function tickMapper(
  dataset: string,
  target: Layout,
  columns?: Readonly<Record<string, ColumnSource>>,
): RowMapper {
  return rowMapper(dataset, target, tickFacts, columns);
}
