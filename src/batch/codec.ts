/**
 * The byte form of a batch, the same in the log, on the wire and between threads (docs/protocol/columns.md). Little
 * endian; every section starts at a multiple of 8 so that a reader views numbers where they lie. Equal batches give
 * equal bytes: a dictionary holds exactly the used texts in order of first appearance, padding is zero, a null cell's
 * value is zero.
 *
 * - header, 16 bytes: magic `MPB1`, row count (u32), column count (u32), total length in bytes (u32)
 * - per column: kind (u8: 1 number, 2 text, 3 boolean), has nulls (u8), index width (u8: 1, 2 or 4, text only),
 *   0 (u8), dictionary size (u32); where it has nulls a bitmap, least bit first; then
 *   number: f64 per row · boolean: u8 per row · text: end offset of each dictionary text (u32 each), the texts in
 *   UTF-8, the index of each row
 */
import { aligned, alignedTo8, fail } from "../base/index.ts";
import type { Batch, Column, TextColumn } from "./types.ts";

const MAGIC = 0x3142504d;
const HEADER_BYTES = 16;
/** Far more than a contract or a plan may have; each costs memory, however short it is. */
const MOST_COLUMNS = 4_096;
const KINDS = ["", "number", "text", "boolean"] as const;
const encoder = new TextEncoder();
// A text may begin with U+FEFF, and keeps it.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

interface EncodedText {
  readonly ends: Uint32Array;
  readonly bytes: Uint8Array;
  readonly width: 1 | 2 | 4;
}

/** A fresh buffer, so that the bytes may be transferred to another thread. */
export function encodeBatch(batch: Batch): Uint8Array<ArrayBuffer> {
  const texts = batch.columns.map((column) => (column.kind === "text" ? encodeTexts(column) : undefined));
  let length = HEADER_BYTES;
  batch.columns.forEach((column, index) => {
    length += 8 + (column.nulls === null ? 0 : alignedTo8((batch.count + 7) >> 3));
    const text = texts[index];
    if (text)
      length += alignedTo8(text.ends.byteLength) + alignedTo8(text.bytes.length) + alignedTo8(batch.count * text.width);
    else length += column.kind === "number" ? batch.count * 8 : alignedTo8(batch.count);
  });
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, batch.count, true);
  view.setUint32(8, batch.columns.length, true);
  view.setUint32(12, length, true);
  let offset = HEADER_BYTES;
  batch.columns.forEach((column, index) => {
    offset = writeColumn(bytes, view, offset, column, texts[index], batch.count);
  });
  return bytes;
}

function encodeTexts({ dictionary }: TextColumn): EncodedText {
  const ends = new Uint32Array(dictionary.length);
  const width = dictionary.length <= 0x100 ? 1 : dictionary.length <= 0x10000 ? 2 : 4;
  const joined = dictionary.join("");
  const bytes = encoder.encode(joined);
  const ascii = bytes.length === joined.length;
  let end = 0;
  for (let place = 0; place < dictionary.length; place++) {
    end += ascii ? dictionary[place]!.length : encoder.encode(dictionary[place]!).length;
    ends[place] = end;
  }
  return { ends, bytes, width };
}

function writeColumn(
  bytes: Uint8Array<ArrayBuffer>,
  view: DataView,
  start: number,
  column: Column,
  text: EncodedText | undefined,
  count: number,
): number {
  let offset = start;
  bytes[offset] = KINDS.indexOf(column.kind);
  bytes[offset + 1] = column.nulls === null ? 0 : 1;
  bytes[offset + 2] = text?.width ?? 0;
  view.setUint32(offset + 4, text?.ends.length ?? 0, true);
  offset += 8;
  if (column.nulls !== null) {
    for (let place = 0; place < count; place++) {
      if (column.nulls[place] === 1) bytes[offset + (place >> 3)]! |= 1 << (place & 7);
    }
    offset += alignedTo8((count + 7) >> 3);
  }
  if (column.kind === "number") {
    new Float64Array(bytes.buffer, offset, count).set(column.values);
    return offset + count * 8;
  }
  if (column.kind === "boolean") {
    bytes.set(column.values, offset);
    return offset + alignedTo8(count);
  }
  const { ends, bytes: textBytes, width } = text!;
  new Uint32Array(bytes.buffer, offset, ends.length).set(ends);
  offset += alignedTo8(ends.byteLength);
  bytes.set(textBytes, offset);
  offset += alignedTo8(textBytes.length);
  indexArray(bytes.buffer, offset, count, width).set(column.indexes);
  return offset + alignedTo8(count * width);
}

function indexArray(buffer: ArrayBufferLike, offset: number, count: number, width: number) {
  if (width === 1) return new Uint8Array(buffer, offset, count);
  return width === 2 ? new Uint16Array(buffer, offset, count) : new Uint32Array(buffer, offset, count);
}

/**
 * Reads a batch. Number columns are views of the given bytes, which must not change afterwards; bytes that do not
 * start at a multiple of 8 are copied first. Every length is checked before it is used.
 * @throws `batch_malformed`
 */
export function decodeBatch(given: Uint8Array): Batch {
  const bytes = aligned(given);
  if (bytes.length < HEADER_BYTES) throw malformed("shorter than its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== MAGIC) throw malformed("wrong magic");
  const count = view.getUint32(4, true);
  const width = view.getUint32(8, true);
  if (view.getUint32(12, true) !== bytes.length) throw malformed("length differs from the header");
  if (width > MOST_COLUMNS || count > bytes.length) throw malformed("more rows or columns than there can be");
  const reader = new ColumnReader(bytes, view, count);
  const columns = Array.from({ length: width }, () => reader.next());
  if (reader.offset !== bytes.length) throw malformed("bytes left over");
  return { count, columns };
}

const malformed = (problem: string) => fail("batch_malformed", { problem });

class ColumnReader {
  offset = HEADER_BYTES;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #count: number;

  constructor(bytes: Uint8Array, view: DataView, count: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#count = count;
  }
  next(): Column {
    const head = this.#take(8);
    const kind = KINDS[this.#bytes[head]!];
    const nulls = this.#bytes[head + 1] === 1 ? this.#nulls() : null;
    if (kind === "number") {
      const start = this.#take(this.#count * 8);
      return { kind, values: new Float64Array(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#count), nulls };
    }
    if (kind === "boolean") {
      const start = this.#take(this.#count);
      const values = this.#bytes.subarray(start, start + this.#count);
      for (const value of values) if (value > 1) throw malformed("a boolean is neither 0 nor 1");
      return { kind, values, nulls };
    }
    if (kind === "text") return this.#text(this.#view.getUint32(head + 4, true), this.#bytes[head + 2]!, nulls);
    throw malformed("unknown column kind");
  }
  #text(size: number, width: number, nulls: Uint8Array | null): TextColumn {
    if (width !== 1 && width !== 2 && width !== 4) throw malformed("wrong index width");
    if (size > this.#bytes.length) throw malformed("dictionary larger than the bytes");
    const endsAt = this.#take(size * 4);
    const total = size === 0 ? 0 : this.#view.getUint32(endsAt + (size - 1) * 4, true);
    const textAt = this.#take(total);
    const dictionary = this.#dictionary(endsAt, size, textAt, total);
    const start = this.#take(this.#count * width) + this.#bytes.byteOffset;
    const indexes = new Uint32Array(indexArray(this.#bytes.buffer, start, this.#count, width));
    for (const index of indexes) if (index >= size) throw malformed("index outside the dictionary");
    return { kind: "text", dictionary, indexes, nulls };
  }
  #dictionary(endsAt: number, size: number, textAt: number, total: number): string[] {
    let joined: string;
    const bytes = this.#bytes.subarray(textAt, textAt + total);
    try {
      joined = decoder.decode(bytes);
    } catch {
      throw malformed("text is not UTF-8");
    }
    const ascii = joined.length === total;
    const dictionary: string[] = [];
    let start = 0;
    for (let place = 0; place < size; place++) {
      const end = this.#view.getUint32(endsAt + place * 4, true);
      if (end < start || end > total) throw malformed("dictionary offsets are not in order");
      dictionary.push(ascii ? joined.slice(start, end) : decodePart(bytes.subarray(start, end)));
      start = end;
    }
    return dictionary;
  }
  #nulls(): Uint8Array {
    const start = this.#take((this.#count + 7) >> 3);
    const nulls = new Uint8Array(this.#count);
    for (let place = 0; place < this.#count; place++) {
      nulls[place] = (this.#bytes[start + (place >> 3)]! >> (place & 7)) & 1;
    }
    return nulls;
  }
  #take(length: number): number {
    const start = this.offset;
    this.offset += alignedTo8(length);
    if (this.offset > this.#bytes.length) throw malformed("cut short");
    return start;
  }
}

function decodePart(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw malformed("text is not UTF-8");
  }
}
