/**
 * The check of columns from outside: one tight loop a column while all is well. Texts are judged once per dictionary
 * entry. A column that is fine and canonical is passed on as it is; nothing given is ever changed in place.
 */
import { fail } from "../base/index.ts";
import {
  type BooleanColumn,
  type Column,
  ColumnBuilder,
  columnKind,
  type NumberColumn,
  type TextColumn,
} from "../batch/index.ts";
import { type CellProblem, decodeCell, decodeTextCell } from "./cells.ts";
import { lengthLimit } from "./fields.ts";
import { longerThan, storable } from "./text-checks.ts";
import type { Field } from "./types.ts";
import type { Verdicts } from "./verdicts.ts";

export type ColumnCheck = (column: Column, verdicts: Verdicts) => Column;

const malformed = (problem: string) => fail("batch_malformed", { problem });

/** @throws (the check) `batch_malformed` where the column cannot be of the field at all */
export function columnCheck(name: string, field: Field): ColumnCheck {
  const kind = columnKind(field.type);
  const check = checkOfKind(name, field);
  return (column, verdicts) => {
    const { count } = verdicts;
    if (column.kind !== kind) throw malformed(`column '${name}' holds ${column.kind} cells, not ${kind}`);
    const cells = column.kind === "text" ? column.indexes.length : column.values.length;
    if (cells !== count || (column.nulls !== null && column.nulls.length !== count)) {
      throw malformed(`column '${name}' has not one cell a row`);
    }
    const nulls = checkNulls(name, field, column.nulls, verdicts);
    return check(nulls === column.nulls ? column : { ...column, nulls }, verdicts);
  };
}

/** Null where no cell is null, so that equal columns stay equal. */
function checkNulls(name: string, field: Field, nulls: Uint8Array | null, verdicts: Verdicts): Uint8Array | null {
  if (nulls === null) return null;
  let some = 0;
  let all = 0;
  for (let place = 0; place < nulls.length; place++) {
    const flag = nulls[place]!;
    some += flag;
    all |= flag;
  }
  if (all > 1) throw malformed(`column '${name}' has a null mark that is neither 0 nor 1`);
  if (some === 0) return null;
  if (field.nullable) return nulls;
  for (let place = 0; place < nulls.length; place++) {
    if (nulls[place] === 1) verdicts.refuse(place, { code: "field_missing", details: {} }, name);
  }
  return nulls;
}

function checkOfKind(name: string, field: Field): ColumnCheck {
  switch (columnKind(field.type)) {
    case "number":
      return numberCheck(name, field) as ColumnCheck;
    case "text":
      return textCheck(name, field) as ColumnCheck;
    case "boolean":
      return ((column: BooleanColumn) => checkBooleans(name, column)) as ColumnCheck;
  }
}

function numberCheck(name: string, field: Field) {
  const whole = field.type !== "float";
  const most = whole ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE;
  const low = Math.max(field.minimum ?? -most, -most);
  const high = Math.min(field.maximum ?? most, most);
  return (column: NumberColumn, verdicts: Verdicts): NumberColumn => {
    const { values, nulls } = column;
    const fine = nulls === null && (whole ? allWhole(values, low, high) : allWithin(values, low, high));
    return fine ? column : checkNumbersSlowly(name, field, column, verdicts);
  };
}

/** False where any value is outside, not a number, or a negative zero. */
function allWithin(values: Float64Array, low: number, high: number): boolean {
  const count = values.length;
  for (let place = 0; place < count; place++) {
    const value = values[place]!;
    if (!(value >= low && value <= high) || Object.is(value, -0)) return false;
  }
  return true;
}

function allWhole(values: Float64Array, low: number, high: number): boolean {
  const count = values.length;
  for (let place = 0; place < count; place++) {
    const value = values[place]!;
    if (!(value >= low && value <= high) || Math.floor(value) !== value || Object.is(value, -0)) return false;
  }
  return true;
}

function checkNumbersSlowly(name: string, field: Field, column: NumberColumn, verdicts: Verdicts): NumberColumn {
  const { nulls, values } = column;
  let canonical: Float64Array | null = null;
  for (let place = 0; place < values.length; place++) {
    const value = values[place]!;
    let cell = 0;
    if (nulls === null || nulls[place] === 0) {
      const decoded = decodeCell(field, value);
      if ("problem" in decoded) verdicts.refuse(place, decoded.problem, name);
      else cell = decoded.cell as number;
    }
    if (!Object.is(cell, value)) {
      canonical ??= values.slice();
      canonical[place] = cell;
    }
  }
  return canonical === null ? column : { kind: "number", values: canonical, nulls };
}

function checkBooleans(name: string, column: BooleanColumn): BooleanColumn {
  const { nulls, values } = column;
  let dirty = 0;
  let all = 0;
  for (let place = 0; place < values.length; place++) {
    all |= values[place]!;
    if (nulls !== null) dirty |= nulls[place]! & values[place]!;
  }
  if (all > 1) throw malformed(`column '${name}' has a boolean that is neither 0 nor 1`);
  return dirty === 0 ? column : { kind: "boolean", values: values.map((value, at) => value & ~nulls![at]!), nulls };
}

function textCheck(name: string, field: Field) {
  const limit = lengthLimit(field);
  const options = field.options === undefined ? undefined : new Set(field.options);
  const fine =
    field.type === "text"
      ? (text: string) => !longerThan(text, limit) && storable(text) && (options === undefined || options.has(text))
      : (text: string) => decodeEntry(field, text) === text;
  return (column: TextColumn, verdicts: Verdicts): TextColumn => {
    // The one entry of a column of nulls is a filler, not a text of the field.
    const filler = column.nulls !== null && !column.nulls.includes(0);
    if (isCanonical(column) && (filler || column.dictionary.every(fine))) return column;
    const { dictionary, indexes } = column;
    for (let place = 0; place < indexes.length; place++) {
      if (indexes[place]! >= dictionary.length) throw malformed(`column '${name}' points outside its dictionary`);
    }
    return checkTextsSlowly(name, field, column, verdicts);
  };
}

/** The dictionary holds exactly the used texts, each once, in order of first appearance; a null points at the first. */
export function isCanonical({ dictionary, indexes, nulls }: TextColumn): boolean {
  const used = nulls === null ? usedInOrder(indexes) : usedAmongNulls(indexes, nulls);
  if (used === 0 && indexes.length > 0) return dictionary.length === 1 && dictionary[0] === "";
  return used === dictionary.length && new Set(dictionary).size === used;
}

/** How many entries are used, or -1 where one is used before another that stands in front of it. */
function usedInOrder(indexes: Uint32Array): number {
  const count = indexes.length;
  let next = 0;
  for (let place = 0; place < count; place++) {
    const index = indexes[place]!;
    if (index < next) continue;
    if (index > next) return -1;
    next += 1;
  }
  return next;
}

function usedAmongNulls(indexes: Uint32Array, nulls: Uint8Array): number {
  let next = 0;
  for (let place = 0; place < indexes.length; place++) {
    const index = indexes[place]!;
    if (nulls[place] === 1) {
      if (index !== 0) return -1;
    } else if (index >= next) {
      if (index > next) return -1;
      next += 1;
    }
  }
  return next;
}

function checkTextsSlowly(name: string, field: Field, column: TextColumn, verdicts: Verdicts): TextColumn {
  const { dictionary, indexes, nulls } = column;
  const cells: (string | CellProblem | undefined)[] = new Array(dictionary.length);
  const builder = new ColumnBuilder("text", indexes.length);
  for (let place = 0; place < indexes.length; place++) {
    if (nulls !== null && nulls[place] === 1) {
      builder.addNull();
      continue;
    }
    const index = indexes[place]!;
    cells[index] ??= decodeEntry(field, dictionary[index]!);
    const cell = cells[index];
    if (typeof cell === "string") builder.addText(cell);
    else {
      verdicts.refuse(place, cell, name);
      builder.addNull();
    }
  }
  return builder.finish() as TextColumn;
}

function decodeEntry(field: Field, text: string): string | CellProblem {
  const decoded = decodeTextCell(field, text);
  return "problem" in decoded ? decoded.problem : (decoded.cell as string);
}
