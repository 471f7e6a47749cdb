/**
 * Rows as objects into columns: first the shape of each row, then field by field in one loop each. Values that are
 * plainly fine are taken in the loop; all others go to the reference decoder. Only own properties are ever read.
 */
import { type Column, columnKind } from "../batch/index.ts";
import { decodeCell } from "./cells.ts";
import { forbiddenNames } from "./declaration.ts";
import { lengthLimit } from "./fields.ts";
import { longerThan, storable } from "./text-checks.ts";
import type { Field } from "./types.ts";
import type { Verdicts } from "./verdicts.ts";

export type RowObject = Readonly<Record<string, unknown>>;
/** Reads one field out of all rows. */
export type ColumnDecode = (rows: readonly RowObject[], verdicts: Verdicts) => Column;

const nothing: RowObject = Object.freeze(Object.create(null) as RowObject);

/** Sees to it that reading a declared name from a row gives an own property or undefined. */
export class RowShapes {
  readonly #names: ReadonlySet<string>;
  /** The names of the last good row in their order: the rows of one sender nearly always share it. */
  #last: readonly string[] = [];

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
  }

  /** One object a row; refused rows become empty ones. The given array itself where nothing had to be replaced. */
  check(rows: readonly unknown[], verdicts: Verdicts): readonly RowObject[] {
    const inherits = [...this.#names].some((name) => name in Object.prototype);
    let replaced: RowObject[] | null = null;
    for (let place = 0; place < rows.length; place++) {
      const row = rows[place];
      const read = this.#read(row, place, inherits, verdicts);
      if (read === row) continue;
      replaced ??= rows.slice() as RowObject[];
      replaced[place] = read;
    }
    return replaced ?? (rows as readonly RowObject[]);
  }

  #read(row: unknown, place: number, inherits: boolean, verdicts: Verdicts): RowObject {
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
      verdicts.refuse(place, { code: "row_not_object", details: {} });
      return nothing;
    }
    const names = Object.keys(row);
    if (!sameNames(names, this.#last)) {
      const wrong = names.find((name) => !this.#names.has(name));
      if (wrong !== undefined) {
        const code = forbiddenNames.has(wrong) ? "field_forbidden_name" : "field_not_declared";
        verdicts.refuse(place, { code, details: {} }, wrong.slice(0, 64).toWellFormed());
        return nothing;
      }
      this.#last = names;
    }
    const prototype: unknown = Object.getPrototypeOf(row);
    const ownOnly = prototype === null || (prototype === Object.prototype && !inherits);
    return ownOnly ? (row as RowObject) : ownCopy(row, names);
  }
}

function sameNames(names: readonly string[], last: readonly string[]): boolean {
  if (names.length !== last.length) return false;
  for (let index = 0; index < names.length; index++) if (names[index] !== last[index]) return false;
  return true;
}

function ownCopy(row: object, names: readonly string[]): RowObject {
  const copy = Object.create(null) as Record<string, unknown>;
  for (const name of names) copy[name] = (row as RowObject)[name];
  return copy;
}

export function columnDecode(name: string, field: Field): ColumnDecode {
  switch (columnKind(field.type)) {
    case "number":
      return numberDecode(name, field);
    case "text":
      return textDecode(name, field);
    case "boolean":
      return booleanDecode(name, field);
  }
}

/** The way of every value that is not plainly fine: the cell, or null for null and for refused rows. */
function decodeSlowly(name: string, field: Field, value: unknown, place: number, verdicts: Verdicts) {
  if (verdicts.bad !== null && verdicts.bad[place] === 1) return null;
  const decoded = decodeCell(field, value);
  if (!("problem" in decoded)) return decoded.cell;
  verdicts.refuse(place, decoded.problem, name);
  return null;
}

function numberDecode(name: string, field: Field): ColumnDecode {
  const whole = field.type !== "float";
  const most = whole ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE;
  const low = Math.max(field.minimum ?? -most, -most);
  const high = Math.min(field.maximum ?? most, most);
  return (rows, verdicts) => {
    const values = new Float64Array(rows.length);
    let nulls: Uint8Array | null = null;
    for (let place = 0; place < rows.length; place++) {
      const value = rows[place]![name];
      if (typeof value === "number" && value >= low && value <= high && (!whole || Math.floor(value) === value)) {
        values[place] = value + 0;
        continue;
      }
      const cell = decodeSlowly(name, field, value, place, verdicts);
      if (cell !== null) values[place] = cell as number;
      else {
        nulls ??= new Uint8Array(rows.length);
        nulls[place] = 1;
      }
    }
    return { kind: "number", values, nulls };
  };
}

function booleanDecode(name: string, field: Field): ColumnDecode {
  return (rows, verdicts) => {
    const values = new Uint8Array(rows.length);
    let nulls: Uint8Array | null = null;
    for (let place = 0; place < rows.length; place++) {
      const value = rows[place]![name];
      if (typeof value === "boolean") {
        values[place] = value ? 1 : 0;
        continue;
      }
      decodeSlowly(name, field, value, place, verdicts);
      nulls ??= new Uint8Array(rows.length);
      nulls[place] = 1;
    }
    return { kind: "boolean", values, nulls };
  };
}

function textDecode(name: string, field: Field): ColumnDecode {
  const limit = lengthLimit(field);
  const options = field.options === undefined ? undefined : new Set(field.options);
  const plainText = field.type === "text";
  const fine = (text: string): boolean =>
    plainText && !longerThan(text, limit) && storable(text) && (options === undefined || options.has(text));
  return (rows, verdicts) => {
    const dictionary: string[] = [];
    const indexes = new Uint32Array(rows.length);
    const known = new Map<string, number>();
    let nulls: Uint8Array | null = null;
    for (let place = 0; place < rows.length; place++) {
      const value = rows[place]![name];
      let cell: string | null = null;
      if (typeof value === "string" && plainText) {
        const index = known.get(value);
        if (index !== undefined) {
          indexes[place] = index;
          continue;
        }
        if (fine(value)) cell = value;
      }
      cell ??= decodeSlowly(name, field, value, place, verdicts) as string | null;
      if (cell === null) {
        nulls ??= new Uint8Array(rows.length);
        nulls[place] = 1;
        continue;
      }
      let index = known.get(cell);
      if (index === undefined) {
        index = dictionary.push(cell) - 1;
        known.set(cell, index);
      }
      indexes[place] = index;
    }
    if (dictionary.length === 0 && rows.length > 0) dictionary.push("");
    return { kind: "text", dictionary, indexes, nulls };
  };
}
