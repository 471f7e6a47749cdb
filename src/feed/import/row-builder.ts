/** Text cells of a declared layout to columns of facts, row by row; one builder serves one batch after the other. */

import { fail } from "../../base/index.ts";
import { type Batch, ColumnBuilder, columnKind, type Layout, type Value } from "../../batch/index.ts";
import type { Zone } from "../zone.ts";
import type { ColumnSpec, CsvLayout } from "./layout.ts";
import { timeReader } from "./time-format.ts";

export interface FileContext {
  readonly zoneOf: (name: string | undefined) => Zone;
  /** Local midnight of the file's date, in microseconds. */
  readonly midnight: () => number;
  /** Facts of the whole file. */
  readonly facts: Readonly<Record<string, Value>>;
  readonly rows: number;
}

/** Undefined: the cell is malformed. */
type CellReader = (text: string) => Value | undefined;

interface BoundColumn {
  readonly place: number;
  readonly builder: () => ColumnBuilder;
  readonly cells: readonly number[];
  readonly read: CellReader;
  readonly fact: string;
  readonly fill: Map<string, Value> | undefined;
}

const FLOAT_FORM = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?$/;
const NOT_FINITE = /^([-+]?)(?:nan|inf|infinity)$/i;
const DECIMAL_FORM = /^-?\d{1,38}(?:\.\d{1,38})?$/;

export class RowBuilder {
  count = 0;
  readonly #layout: Layout;
  readonly #context: FileContext;
  readonly #columns: BoundColumn[];
  readonly #values: Value[];
  readonly #symbolPlace: number;
  readonly #needed: number;
  #builders: ColumnBuilder[] = [];

  /**
   * @param header names in order, or undefined for a file without
   * @throws `import_file_refused` where the header lacks a column or has one twice
   */
  constructor(layout: Layout, declared: CsvLayout, context: FileContext, header: readonly string[] | undefined) {
    this.#layout = layout;
    this.#context = context;
    this.#values = layout.map(({ name }) => context.facts[name] ?? null);
    this.#columns = Object.entries(declared.columns).map(([fact, spec]) => {
      const place = layout.findIndex(({ name }) => name === fact);
      return {
        place,
        builder: () => this.#builders[place]!,
        cells: cellsOf(fact, spec, header),
        read: cellReader(declared, spec, context),
        fact,
        fill: declared.fill?.includes(fact) ? new Map<string, Value>() : undefined,
      };
    });
    this.#symbolPlace = layout.findIndex(({ name }) => name === "symbol");
    // Columns of a headed file that are declared optional may be missing from the header, not from a row.
    this.#needed = Math.max(...this.#columns.flatMap(({ cells }) => cells)) + 1;
    this.#begin();
  }

  /** Null, or what is wrong with the row; then nothing of it was added. */
  add(cells: readonly string[]): string | null {
    if (cells.length < this.#needed) return `it has ${cells.length} columns, ${this.#needed} are needed`;
    const values = this.#values;
    for (const { place, cells: from, read, fact } of this.#columns) {
      const text = from.length === 1 ? cells[from[0]!]! : from.map((index) => cells[index]!).join(" ");
      const value = from.length === 0 || text === "" ? null : read(text);
      if (value === undefined) return `'${fact}' is malformed`;
      values[place] = value;
    }
    const symbol = this.#symbolPlace < 0 ? "" : String(values[this.#symbolPlace]);
    for (const { place, fill } of this.#columns) {
      if (fill === undefined) continue;
      if (values[place] === null) values[place] = fill.get(symbol) ?? null;
      else fill.set(symbol, values[place]!);
    }
    for (let place = 0; place < values.length; place++) this.#builders[place]!.add(values[place]!);
    this.count += 1;
    return null;
  }
  /** The rows so far; the next batch begins. */
  take(): Batch {
    const batch = { count: this.count, columns: this.#builders.map((builder) => builder.finish()) };
    this.#begin();
    return batch;
  }
  #begin(): void {
    this.count = 0;
    this.#builders = this.#layout.map(({ type }) => new ColumnBuilder(columnKind(type), this.#context.rows));
  }
}

function cellsOf(
  fact: string,
  { column, optional = false }: ColumnSpec,
  header: readonly string[] | undefined,
): number[] {
  const places: readonly (string | number)[] = typeof column === "object" ? column : [column];
  const cells: number[] = [];
  places.forEach((place, index) => {
    const cell = typeof place === "number" ? place : (header?.indexOf(place) ?? -1);
    if (typeof place === "string" && cell !== header?.lastIndexOf(place))
      throw fail("import_file_refused", { problem: `its header has '${place}' twice` });
    if (cell >= 0) cells.push(cell);
    else if (!optional || (places.length > 1 && index === 0))
      throw fail("import_file_refused", { problem: `its header has no '${place}', needed for '${fact}'` });
  });
  return cells;
}

function cellReader(layout: CsvLayout, spec: ColumnSpec, context: FileContext): CellReader {
  switch (spec.type ?? "text") {
    case "instant": {
      const { absolute, read } = timeReader(layout.name, spec.format ?? "rfc3339", context.midnight);
      const zone = context.zoneOf(spec.zone ?? layout.zone);
      return (text) => {
        const local = read(text);
        if (Number.isNaN(local)) return undefined;
        return absolute(text) ? local : zone.toInstant(local);
      };
    }
    case "float":
      return readFloat;
    case "integer":
      return (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : undefined);
    case "decimal":
      return (text) => (DECIMAL_FORM.test(text) ? text : undefined);
    case "boolean":
      return (text) => (/^(?:true|1)$/i.test(text) ? true : /^(?:false|0)$/i.test(text) ? false : undefined);
    default:
      return (text) => text;
  }
}

/** Not-a-number and infinities are numbers here: the gate refuses them under their own reason. */
function readFloat(text: string): number | undefined {
  if (FLOAT_FORM.test(text)) return Number(text);
  const match = NOT_FINITE.exec(text);
  if (!match) return undefined;
  if (text.toLowerCase().endsWith("nan")) return Number.NaN;
  return match[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
