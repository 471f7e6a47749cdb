/**
 * The few things DuckDB's binding keeps private and that reading and writing whole columns needs: the arrays behind
 * its vectors. A write goes into the array and is copied to the vector by `flush`; a read views the copy it was given.
 */
import { BIGINT, BOOLEAN, DOUBLE, type DuckDBType, type DuckDBVector, INTEGER, VARCHAR } from "@duckdb/node-api";
import type { ValueType } from "../../batch/index.ts";

/** How a column is stored. */
export type StoredKind = "double" | "bigint" | "integer" | "boolean" | "varchar";

/** Rows of a chunk, as DuckDB wants them. */
export const CHUNK_ROWS = 2048;

const types: Record<StoredKind, DuckDBType> = {
  double: DOUBLE,
  bigint: BIGINT,
  integer: INTEGER,
  boolean: BOOLEAN,
  varchar: VARCHAR,
};
export const typeOf = (kind: StoredKind): DuckDBType => types[kind];
export const sqlTypeOf = (kind: StoredKind): string => kind.toUpperCase();

export function storedKind(type: ValueType, dictionary: boolean): StoredKind {
  if (dictionary) return "integer";
  switch (type) {
    case "float":
      return "double";
    case "integer":
    case "instant":
    case "duration":
      return "bigint";
    case "boolean":
      return "boolean";
    default:
      return "varchar";
  }
}

interface ArrayBacked {
  readonly items?: Float64Array<ArrayBuffer> | BigInt64Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
  readonly dataView?: DataView<ArrayBuffer>;
  readonly validity: { readonly data: BigUint64Array<ArrayBuffer> | null };
}

const backing = (vector: DuckDBVector): ArrayBacked => vector as unknown as ArrayBacked;

export const doubles = (vector: DuckDBVector): Float64Array => backing(vector).items as Float64Array;
export const integers = (vector: DuckDBVector): Int32Array => backing(vector).items as Int32Array;

/** The two 32-bit halves of each 64-bit integer, low first. */
export function words(vector: DuckDBVector): Int32Array {
  const { buffer, byteOffset, length } = backing(vector).items as BigInt64Array<ArrayBuffer>;
  return new Int32Array(buffer, byteOffset, length * 2);
}

export function booleans(vector: DuckDBVector): Uint8Array {
  const { buffer, byteOffset, byteLength } = backing(vector).dataView!;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Four 32-bit words per text: its length in bytes, then the bytes themselves up to 12, else a prefix and an address. */
export function textHeads(vector: DuckDBVector): Uint32Array {
  const { buffer, byteOffset, byteLength } = backing(vector).dataView!;
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** One bit per row, set where it is not null; null where no row is null. */
export function validity(vector: DuckDBVector): Uint32Array | null {
  const data = backing(vector).validity.data;
  return data === null ? null : new Uint32Array(data.buffer, data.byteOffset, data.length * 2);
}
