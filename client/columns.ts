/**
 * Rows as columns, where nothing is lost by it. A row that does not fit the layout exactly (another type, a field the
 * contract does not know, an instant that is none) must reach the gate as it is, to be judged and told about there:
 * then the whole batch travels as JSON.
 */
import { parseInstant } from "../src/base/index.ts";
import { type Batch, ColumnBuilder, columnKind, type Layout } from "../src/batch/index.ts";

type GivenRow = Readonly<Record<string, unknown>>;

/** undefined where a row does not fit. */
export function columnsOf(layout: Layout, rows: readonly GivenRow[]): Batch | undefined {
  for (const row of rows) if (!onlyKnown(layout, row)) return undefined;
  const columns = [];
  for (const { name, type } of layout) {
    const builder = new ColumnBuilder(columnKind(type), rows.length);
    for (const row of rows) if (!add(builder, type, row[name])) return undefined;
    columns.push(builder.finish());
  }
  return { count: rows.length, columns };
}

function onlyKnown(layout: Layout, row: GivenRow): boolean {
  if (typeof row !== "object" || row === null || Array.isArray(row)) return false;
  let known = 0;
  for (const { name } of layout) if (Object.hasOwn(row, name)) known += 1;
  return Object.keys(row).length === known;
}

function add(builder: ColumnBuilder, type: Layout[number]["type"], value: unknown): boolean {
  if (value === null || value === undefined) {
    builder.addNull();
    return true;
  }
  if (typeof value === "number") {
    if (builder.kind !== "number") return false;
    builder.addNumber(value);
    return true;
  }
  if (typeof value === "boolean") {
    if (builder.kind !== "boolean") return false;
    builder.addBoolean(value);
    return true;
  }
  if (typeof value !== "string") return false;
  if (builder.kind === "text") {
    builder.addText(value);
    return true;
  }
  const instant = type === "instant" ? parseInstant(value) : undefined;
  if (instant === undefined) return false;
  builder.addNumber(instant);
  return true;
}

/**
 * The rows as JSON. What JSON cannot say (NaN, infinities) becomes text, so that the gate refuses it instead of
 * taking it for null; json fields, which are text here, become the values they stand for.
 */
export function jsonOf(layout: Layout, rows: readonly GivenRow[]): string {
  const json = layout.filter(({ type }) => type === "json").map(({ name }) => name);
  const given = json.length === 0 ? rows : rows.map((row) => withValues(row, json));
  const replace = (_key: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return JSON.stringify(given, replace);
}

function withValues(row: GivenRow, names: readonly string[]): GivenRow {
  if (typeof row !== "object" || row === null) return row;
  const values = names.map((name) => [name, row[name]] as const).filter(([, value]) => typeof value === "string");
  return { ...row, ...Object.fromEntries(values.map(([name, value]) => [name, valueOfText(value as string)])) };
}

function valueOfText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
