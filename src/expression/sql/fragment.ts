/**
 * Pieces of SQL with their bound values, to be put together before parameters are numbered. Text becomes SQL only as
 * a written-out template or as a quoted identifier; every value is bound.
 */
import { assert } from "../../base/index.ts";
import type { Value } from "../../batch/index.ts";

/** The SQL dialects that expressions compile to. */
export type SqlDialect = "sqlite" | "duckdb";

/** `parts` has one entry more than `values`: a value stands between two parts. */
export interface SqlFragment {
  readonly parts: readonly string[];
  readonly values: readonly Value[];
}

export interface RenderedSql {
  readonly text: string;
  readonly values: readonly Value[];
}

/** A template: fragments are spliced in, plain values are bound. */
export function sql(strings: TemplateStringsArray, ...inserts: readonly (SqlFragment | Value)[]): SqlFragment {
  const pieces: SqlFragment[] = [];
  for (let index = 0; index < strings.length; index++) {
    pieces.push(sqlText(strings[index]!));
    if (index < inserts.length) pieces.push(asFragment(inserts[index]!));
  }
  return append(pieces);
}

/** For text of our own making only, never for text from outside. */
export const sqlText = (text: string): SqlFragment => ({ parts: [text], values: [] });

const asFragment = (insert: SqlFragment | Value): SqlFragment =>
  typeof insert === "object" && insert !== null ? insert : { parts: ["", ""], values: [insert] };

function append(fragments: readonly SqlFragment[]): SqlFragment {
  const parts = [""];
  const values: Value[] = [];
  for (const fragment of fragments) {
    parts[parts.length - 1] += fragment.parts[0]!;
    for (let index = 1; index < fragment.parts.length; index++) parts.push(fragment.parts[index]!);
    for (const value of fragment.values) values.push(value);
  }
  return { parts, values };
}

/** A quoted identifier; several make a qualified one, `identifier("main", "ticks")`. */
export function identifier(...names: readonly string[]): SqlFragment {
  assert(names.length > 0 && names.every((name) => !name.includes("\u0000")), "an identifier has a name without NUL");
  return sqlText(names.map((name) => `"${name.replaceAll('"', '""')}"`).join("."));
}

export function joinSql(fragments: readonly SqlFragment[], separator: SqlFragment = sqlText(", ")): SqlFragment {
  return append(fragments.flatMap((fragment, index) => (index === 0 ? [fragment] : [separator, fragment])));
}

/** The text with the dialect's placeholders, and the values in their order as the dialect's driver binds them. */
export function renderSql({ parts, values }: SqlFragment, dialect: SqlDialect): RenderedSql {
  let text = parts[0]!;
  const bound: Value[] = [];
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (dialect === "sqlite") {
      text += "?";
      bound.push(typeof value === "boolean" ? Number(value) : value);
    } else if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      // The driver would bind a whole double as a 64-bit integer, and fail where it is none.
      text += `CAST($${index + 1} AS DOUBLE)`;
      bound.push(String(value));
    } else {
      text += `$${index + 1}`;
      bound.push(value);
    }
    text += parts[index + 1]!;
  }
  return { text, values: bound };
}

/** A column or one parameter, which may be written several times. */
export const isAtom = ({ parts, values }: SqlFragment): boolean =>
  values.length === 0 ? /^[\w".]{1,80}$/.test(parts[0]!) : values.length === 1 && parts.join("").length === 0;
