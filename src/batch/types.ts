/**
 * The batch: rows held as columns, the unit in which everything on the hot path moves. A batch knows no names: a
 * layout (from a contract or a query) says what its columns mean, position by position.
 */

/** What a field holds, to a person. */
export type ValueType = "boolean" | "integer" | "float" | "decimal" | "text" | "instant" | "duration" | "json";

/** How a column holds it. */
export type ColumnKind = "number" | "text" | "boolean";

/** A cell outside a batch. Instants and durations are integer microseconds; decimals and json are canonical text. */
export type Value = number | string | boolean | null;

/** Integers and instants are integer doubles within ±2^53. */
export interface NumberColumn {
  readonly kind: "number";
  readonly values: Float64Array;
  /** 1 where the cell is null (its value is then 0); null where no cell is. */
  readonly nulls: Uint8Array | null;
}

/** Distinct texts once, in order of first appearance, and per row the place of its text. */
export interface TextColumn {
  readonly kind: "text";
  readonly dictionary: readonly string[];
  readonly indexes: Uint32Array;
  readonly nulls: Uint8Array | null;
}

export interface BooleanColumn {
  readonly kind: "boolean";
  /** 0 or 1. */
  readonly values: Uint8Array;
  readonly nulls: Uint8Array | null;
}

export type Column = NumberColumn | TextColumn | BooleanColumn;

export interface Batch {
  readonly count: number;
  readonly columns: readonly Column[];
}

export interface LayoutField {
  readonly name: string;
  readonly type: ValueType;
  readonly nullable: boolean;
}

/** What the columns of a batch mean, in order. */
export type Layout = readonly LayoutField[];

export function columnKind(type: ValueType): ColumnKind {
  switch (type) {
    case "boolean":
      return "boolean";
    case "text":
    case "decimal":
    case "json":
      return "text";
    default:
      return "number";
  }
}

/** The cell of a row. */
export function valueAt(column: Column, place: number): Value {
  if (column.nulls !== null && column.nulls[place] === 1) return null;
  switch (column.kind) {
    case "number":
      return column.values[place]!;
    case "text":
      return column.dictionary[column.indexes[place]!]!;
    case "boolean":
      return column.values[place] === 1;
  }
}
