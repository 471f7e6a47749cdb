/**
 * Fills DuckDB chunks of 2,048 rows from batches, column by column, and hands each full one to an appender. The chunk
 * is used again and again; only texts and nulls leave traces in it, after which it is replaced.
 */
import { type DuckDBAppender, DuckDBDataChunk, type DuckDBVector } from "@duckdb/node-api";
import type { Batch, Column } from "../../batch/index.ts";
import type { Dictionary } from "./dictionary.ts";
import { booleans, CHUNK_ROWS, doubles, integers, type StoredKind, typeOf, words } from "./native.ts";

export interface WriterColumn {
  readonly kind: StoredKind;
  readonly dictionary?: Dictionary;
}

/** A span of rows of one batch, and where in the chunk they go. */
interface Span {
  readonly from: number;
  readonly at: number;
  readonly count: number;
}

const TWO_TO_32 = 2 ** 32;

export class TableWriter {
  readonly #kinds: readonly StoredKind[];
  readonly #columns: readonly WriterColumn[];
  readonly #supersedes: boolean;
  readonly #appender: DuckDBAppender;
  #chunk: DuckDBDataChunk;
  #vectors: readonly DuckDBVector[];
  #fill = 0;
  #used = false;

  /** The table's columns: position, place, where asked for the supersedes mark, then these. */
  constructor(appender: DuckDBAppender, columns: readonly WriterColumn[], supersedes: boolean) {
    this.#appender = appender;
    this.#columns = columns;
    this.#supersedes = supersedes;
    const system: StoredKind[] = supersedes ? ["bigint", "integer", "boolean"] : ["bigint", "integer"];
    this.#kinds = [...system, ...columns.map(({ kind }) => kind)];
    this.#chunk = this.#newChunk();
    this.#vectors = this.#vectorsOf(this.#chunk);
  }

  /** `sources` says for each of the table's columns which column of the batch it takes, -1 for null. */
  append(batch: Batch, sources: readonly number[], position: number, firstPlace: number, marks: Uint8Array): void {
    const ids = this.#columns.map(({ dictionary }, index) => {
      const column = batch.columns[sources[index]!];
      return dictionary && column?.kind === "text" ? dictionary.idsOf(column.dictionary) : undefined;
    });
    for (let from = 0; from < batch.count; ) {
      const span = { from, at: this.#fill, count: Math.min(batch.count - from, CHUNK_ROWS - this.#fill) };
      this.#writeOrigin(span, position, firstPlace, marks);
      const system = this.#supersedes ? 3 : 2;
      for (let index = 0; index < this.#columns.length; index++) {
        this.#writeColumn(index + system, batch.columns[sources[index]!], span, ids[index]);
      }
      from += span.count;
      this.#fill += span.count;
      if (this.#fill === CHUNK_ROWS) this.#push();
    }
  }

  /** Hands over all rows so far, so that the connection's transaction sees them. */
  flush(): void {
    if (this.#fill > 0) this.#push();
    this.#appender.flushSync();
  }
  /** Drops what was not handed over, for a transaction that is rolled back. */
  discard(): void {
    this.#fill = 0;
    this.#appender.clear();
    this.#appender.closeSync();
  }
  close(): void {
    this.#appender.closeSync();
  }

  #newChunk(): DuckDBDataChunk {
    return DuckDBDataChunk.create(this.#kinds.map(typeOf), CHUNK_ROWS);
  }
  #vectorsOf(chunk: DuckDBDataChunk): readonly DuckDBVector[] {
    return this.#kinds.map((_, index) => chunk.getColumnVector(index));
  }
  #push(): void {
    for (const vector of this.#vectors) (vector as DuckDBVector & { flush(): void }).flush();
    const partial = this.#fill < CHUNK_ROWS;
    // Only now: setting the count makes the chunk forget the vectors that were filled for it.
    if (partial) this.#chunk.rowCount = this.#fill;
    this.#appender.appendDataChunk(this.#chunk);
    this.#fill = 0;
    if (this.#used) {
      this.#chunk = this.#newChunk();
      this.#vectors = this.#vectorsOf(this.#chunk);
      this.#used = false;
    } else if (partial) this.#chunk.rowCount = CHUNK_ROWS;
  }

  #writeOrigin({ from, at, count }: Span, position: number, firstPlace: number, marks: Uint8Array): void {
    const positions = words(this.#vectors[0]!);
    const places = integers(this.#vectors[1]!);
    const high = Math.floor(position / TWO_TO_32);
    const low = position - high * TWO_TO_32;
    for (let index = 0; index < count; index++) {
      positions[(at + index) * 2] = low;
      positions[(at + index) * 2 + 1] = high;
      places[at + index] = firstPlace + from + index;
    }
    if (this.#supersedes) booleans(this.#vectors[2]!).set(marks.subarray(from, from + count), at);
  }
  #writeColumn(index: number, column: Column | undefined, span: Span, ids: Int32Array | undefined): void {
    const vector = this.#vectors[index]!;
    const { from, at, count } = span;
    if (column === undefined) {
      this.#writeNulls(vector, null, span);
      return;
    }
    if (column.kind === "number") {
      const values = column.values.subarray(from, from + count);
      if (this.#kinds[index] === "double") doubles(vector).set(values, at);
      else writeWholeNumbers(words(vector), values, at);
    } else if (column.kind === "boolean") {
      booleans(vector).set(column.values.subarray(from, from + count), at);
    } else if (ids) {
      const target = integers(vector);
      const { indexes } = column;
      for (let place = 0; place < count; place++) target[at + place] = ids[indexes[from + place]!]!;
    } else this.#writeTexts(vector, column, span);
    if (column.nulls !== null) this.#writeNulls(vector, column.nulls, span);
  }
  #writeTexts(vector: DuckDBVector, column: Column & { kind: "text" }, { from, at, count }: Span): void {
    this.#used = true;
    const { dictionary, indexes } = column;
    const writable = vector as DuckDBVector & { setItem(index: number, value: string): void };
    for (let place = 0; place < count; place++) writable.setItem(at + place, dictionary[indexes[from + place]!]!);
  }
  #writeNulls(vector: DuckDBVector, nulls: Uint8Array | null, { from, at, count }: Span): void {
    const writable = vector as DuckDBVector & { setItem(index: number, value: null): void };
    for (let place = 0; place < count; place++) {
      if (nulls !== null && nulls[from + place] !== 1) continue;
      writable.setItem(at + place, null);
      this.#used = true;
    }
  }
}

/** 64-bit integers as two words; exact within ±2^53, negative ones in two's complement. */
function writeWholeNumbers(target: Int32Array, values: Float64Array, at: number): void {
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    const high = Math.floor(value / TWO_TO_32);
    target[(at + index) * 2] = value - high * TWO_TO_32;
    target[(at + index) * 2 + 1] = high;
  }
}
