/**
 * Results as batches. Columns are read from the arrays behind the vectors: numbers in bulk, ids straight into text
 * columns, and texts through a small cache, as neighbouring rows tend to repeat them.
 */
import type { DuckDBConnection, DuckDBDataChunk, DuckDBValue, DuckDBVector } from "@duckdb/node-api";
import { type Batch, type Column, columnKind, type Layout } from "../../batch/index.ts";
import { booleans, doubles, textHeads, validity, words } from "./native.ts";

/** For small results only. */
export async function readAll(connection: DuckDBConnection, text: string): Promise<DuckDBValue[][]> {
  return (await connection.run(text)).getRows();
}

/** The rows of all chunks. `texts` gives, per column that holds ids, the texts by id. */
export function batchOfChunks(
  chunks: readonly DuckDBDataChunk[],
  layout: Layout,
  texts: readonly (readonly string[] | undefined)[],
): Batch {
  const count = chunks.reduce((sum, chunk) => sum + chunk.rowCount, 0);
  const columns = layout.map((field, index) => {
    const vectors = chunks.map((chunk) => chunk.getColumnVector(index));
    const dictionary = texts[index];
    if (dictionary) return idColumn(vectors, count, dictionary);
    switch (columnKind(field.type)) {
      case "number":
        return numberColumn(vectors, count);
      case "boolean":
        return booleanColumn(vectors, count);
      default:
        return textColumn(vectors, count);
    }
  });
  return { count, columns };
}

/** Which rows are null, or null where none is. */
function nullsOf(vectors: readonly DuckDBVector[], count: number): Uint8Array | null {
  let nulls: Uint8Array | null = null;
  let start = 0;
  for (const vector of vectors) {
    const valid = validity(vector);
    if (valid !== null) {
      for (let place = 0; place < vector.itemCount; place++) {
        if ((valid[place >> 5]! >>> (place & 31)) & 1) continue;
        nulls ??= new Uint8Array(count);
        nulls[start + place] = 1;
      }
    }
    start += vector.itemCount;
  }
  return nulls;
}

function numberColumn(vectors: readonly DuckDBVector[], count: number): Column {
  const values = new Float64Array(count);
  let start = 0;
  for (const vector of vectors) {
    const type = vector.type.toString();
    if (type === "DOUBLE") values.set(doubles(vector), start);
    else if (type === "BIGINT") {
      const halves = words(vector);
      for (let place = 0; place < vector.itemCount; place++) {
        values[start + place] = halves[place * 2 + 1]! * 4294967296 + (halves[place * 2]! >>> 0);
      }
    } else {
      for (let place = 0; place < vector.itemCount; place++) values[start + place] = Number(vector.getItem(place));
    }
    start += vector.itemCount;
  }
  const nulls = nullsOf(vectors, count);
  if (nulls !== null) for (let place = 0; place < count; place++) if (nulls[place] === 1) values[place] = 0;
  return { kind: "number", values, nulls };
}

function booleanColumn(vectors: readonly DuckDBVector[], count: number): Column {
  const nulls = nullsOf(vectors, count);
  const values = new Uint8Array(count);
  let start = 0;
  for (const vector of vectors) {
    values.set(booleans(vector).subarray(0, vector.itemCount), start);
    start += vector.itemCount;
  }
  if (nulls !== null) for (let place = 0; place < count; place++) if (nulls[place] === 1) values[place] = 0;
  return { kind: "boolean", values, nulls };
}

/** Ids become the indexes of a dictionary cut to what is used, in order of first appearance. */
function idColumn(vectors: readonly DuckDBVector[], count: number, texts: readonly string[]): Column {
  const nulls = nullsOf(vectors, count);
  const indexes = new Uint32Array(count);
  const moved = new Int32Array(texts.length).fill(-1);
  const dictionary: string[] = [];
  let start = 0;
  for (const vector of vectors) {
    const ids = (vector as unknown as { readonly items: Int32Array }).items;
    for (let place = 0; place < vector.itemCount; place++) {
      if (nulls !== null && nulls[start + place] === 1) continue;
      const id = ids[place]!;
      let index = moved[id]!;
      if (index < 0) {
        index = dictionary.push(texts[id]!) - 1;
        moved[id] = index;
      }
      indexes[start + place] = index;
    }
    start += vector.itemCount;
  }
  return finishTexts(dictionary, indexes, nulls);
}

/** A null cell's index is 0, so a column of nulls alone still needs one text. */
function finishTexts(dictionary: string[], indexes: Uint32Array, nulls: Uint8Array | null): Column {
  if (dictionary.length === 0 && indexes.length > 0) dictionary.push("");
  return { kind: "text", dictionary, indexes, nulls };
}

const CACHE_SLOTS = 1024;

function textColumn(vectors: readonly DuckDBVector[], count: number): Column {
  const builder = new TextReader(count);
  for (const vector of vectors) builder.add(vector);
  const nulls = nullsOf(vectors, count);
  if (nulls !== null) for (let place = 0; place < count; place++) if (nulls[place] === 1) builder.indexes[place] = 0;
  return finishTexts(builder.dictionary, builder.indexes, nulls);
}

/** Texts whose four words are those of one seen before in the same vector need not be decoded again. */
class TextReader {
  readonly dictionary: string[] = [];
  readonly indexes: Uint32Array;
  readonly #places = new Map<string, number>();
  readonly #words = new Uint32Array(CACHE_SLOTS * 4);
  readonly #cached = new Int32Array(CACHE_SLOTS);
  #count = 0;

  constructor(count: number) {
    this.indexes = new Uint32Array(count);
  }
  add(vector: DuckDBVector): void {
    this.#cached.fill(-1);
    const heads = textHeads(vector);
    for (let place = 0; place < vector.itemCount; place++) {
      const head = place * 4;
      const hash = Math.imul(heads[head + 1]! ^ Math.imul(heads[head + 2]!, 31) ^ heads[head + 3]!, 0x9e3779b1) >>> 22;
      this.indexes[this.#count++] = this.#isCached(hash, heads, head)
        ? this.#cached[hash]!
        : this.#decode(vector, place, hash, heads, head);
    }
  }
  #isCached(slot: number, heads: Uint32Array, head: number): boolean {
    const cached = slot * 4;
    const words = this.#words;
    return (
      this.#cached[slot]! >= 0 &&
      words[cached] === heads[head] &&
      words[cached + 1] === heads[head + 1] &&
      words[cached + 2] === heads[head + 2] &&
      words[cached + 3] === heads[head + 3]
    );
  }
  #decode(vector: DuckDBVector, place: number, slot: number, heads: Uint32Array, head: number): number {
    const text = vector.getItem(place) as string | null;
    if (text === null) return 0;
    let index = this.#places.get(text);
    if (index === undefined) {
      index = this.dictionary.push(text) - 1;
      this.#places.set(text, index);
    }
    this.#words.set(heads.subarray(head, head + 4), slot * 4);
    this.#cached[slot] = index;
    return index;
  }
}
