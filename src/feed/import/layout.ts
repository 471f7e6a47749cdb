/** An import layout: declared data that says what a file holds and how its text becomes facts. */

import { fail } from "../../base/index.ts";
import type { Layout, LayoutField, Value, ValueType } from "../../batch/index.ts";
import type { TimeFormat } from "./time-format.ts";

export interface ColumnSpec {
  /** Name in the header, or place from 0; several are joined with one space (a date and a time). */
  readonly column: string | number | readonly (string | number)[];
  /** Default `text`. */
  readonly type?: ValueType;
  /** Instants only; default `rfc3339`. */
  readonly format?: TimeFormat;
  /** Instants only: of this column instead of the layout's. */
  readonly zone?: string;
  /** The file may lack the column (of several: any but the first); its cells are then null. */
  readonly optional?: boolean;
}

interface Common {
  readonly name: string;
  readonly description?: string;
  /** Facts that are one for the whole file; `symbol`, `timeframe` and `date` may also come from name or options. */
  readonly constants?: Readonly<Record<string, Value>>;
  /** Regular expressions on the file's (inside an archive the entry's) name; named groups are facts. First match wins. */
  readonly fileName?: readonly string[];
  /** Facts that must be known before reading, from options, constants or the name. */
  readonly needs?: readonly FileFact[];
  /** The zone of local times; without one the option `zone` must be given, unless the path decides. */
  readonly zone?: string;
  /** A zone by a word in the path, lower case: `{ oanda: "UTC" }`. */
  readonly zoneByPath?: Readonly<Record<string, string>>;
}
export type FileFact = "symbol" | "timeframe" | "date";

export interface CsvLayout extends Common {
  readonly kind: "csv";
  readonly delimiter: string;
  readonly header: boolean;
  readonly encoding?: "utf-8" | "latin1";
  readonly columns: Readonly<Record<string, ColumnSpec>>;
  /** Facts whose empty cells mean “as before”, per symbol. */
  readonly fill?: readonly string[];
}

export interface JsonLayout extends Common {
  readonly kind: "json";
  /** Arrays of ticks, plain or as differences. */
  readonly shape: "dukascopy";
}

export type ImportLayout = CsvLayout | JsonLayout;

/** A layout of delimited text; see `CsvLayout`. @throws `import_layout_invalid` */
export function csvLayout(given: Omit<CsvLayout, "kind">): CsvLayout {
  return parseLayout({ kind: "csv", ...given }) as CsvLayout;
}

const TYPES: readonly string[] = ["boolean", "integer", "float", "decimal", "text", "instant"];
const FACT_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Checks a layout that came as JSON. @throws `import_layout_invalid` */
export function parseLayout(value: unknown): ImportLayout {
  const given = (typeof value === "object" && value !== null ? value : {}) as Partial<CsvLayout> & { name?: unknown };
  const name = typeof given.name === "string" ? given.name.slice(0, 64) : "(without a name)";
  const invalid = (problem: string) => fail("import_layout_invalid", { layout: name, problem });
  if (given.kind !== "csv") throw invalid("kind must be csv");
  if (typeof given.delimiter !== "string" || given.delimiter.length !== 1)
    throw invalid("delimiter must be one character");
  if (typeof given.header !== "boolean") throw invalid("header must be true or false");
  if (typeof given.columns !== "object" || given.columns === null) throw invalid("columns must be an object");
  const columns = Object.entries(given.columns as Record<string, Partial<ColumnSpec>>);
  if (columns.length === 0 || columns.length > 200) throw invalid("there must be 1 to 200 columns");
  for (const [fact, spec] of columns) {
    if (!FACT_NAME.test(fact)) throw invalid("names of facts are written in snake_case");
    const places = Array.isArray(spec.column) ? (spec.column as unknown[]) : [spec.column];
    const known = places.every(
      (place) => typeof place === (given.header ? "string" : "number") || typeof place === "number",
    );
    if (places.length === 0 || !known) throw invalid(`'${fact}' names no column`);
    if (spec.type !== undefined && !TYPES.includes(spec.type)) throw invalid(`'${fact}' has an unknown type`);
  }
  for (const pattern of given.fileName ?? []) {
    try {
      new RegExp(pattern);
    } catch {
      throw invalid("fileName holds a malformed regular expression");
    }
  }
  return given as CsvLayout;
}

/** The facts a layout gives, in order: those of the whole file first. */
export function factsOf(layout: ImportLayout): Layout {
  const fields: LayoutField[] = [];
  const add = (name: string, type: ValueType): void => {
    if (!fields.some((field) => field.name === name)) fields.push({ name, type, nullable: true });
  };
  for (const fact of layout.needs ?? []) if (fact !== "date") add(fact, "text");
  for (const [fact, value] of Object.entries(layout.constants ?? {}))
    add(fact, typeof value === "number" ? "float" : typeof value === "boolean" ? "boolean" : "text");
  if (layout.kind === "csv") {
    for (const [fact, spec] of Object.entries(layout.columns)) add(fact, spec.type ?? "text");
  } else {
    add("time", "instant");
    for (const fact of ["bid", "ask", "bid_volume", "ask_volume"]) add(fact, "float");
  }
  return fields;
}
