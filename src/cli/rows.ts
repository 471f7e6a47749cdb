/** Rows for people and for programs: instants as RFC 3339, JSON as what it stands for. */
import { formatInstant } from "../base/index.ts";
import type { Batch, Layout } from "../batch/index.ts";
import { rowsToJson } from "../subscribe/index.ts";
import { type Column, printable } from "./output.ts";

export type PlainRow = Readonly<Record<string, unknown>>;

export const plainRows = (layout: Layout, batch: Batch): readonly PlainRow[] =>
  JSON.parse(rowsToJson(layout, batch)) as PlainRow[];

/** A row as answers of the pool carry it, with instants as integers. */
export function plainRow(layout: Layout, row: PlainRow): PlainRow {
  const entries = Object.entries(row).map(([name, value]) => {
    const isInstant = layout.find((field) => field.name === name)?.type === "instant";
    return [name, isInstant && typeof value === "number" ? formatInstant(value) : value];
  });
  return Object.fromEntries(entries) as PlainRow;
}

export const columnsOf = (layout: Layout): Column<PlainRow>[] =>
  layout.map(({ name, type }) => ({ title: name, value: (row) => cellText(row[name]), right: isNumeric(type) }));

export const isNumeric = (type: Layout[number]["type"]): boolean =>
  type === "integer" || type === "float" || type === "decimal";

/** Values of data are shown as they are, never with separators of thousands. */
export function cellText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** `symbol=EURUSD time=…`, for one line. */
export const rowText = (row: PlainRow): string =>
  Object.entries(row)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${printable(cellText(value) ?? "")}`)
    .join(" ");
