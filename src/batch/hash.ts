/**
 * A 64-bit hash per row, as two 32-bit lanes, for comparing large sets of rows (never for security): equal rows of
 * one layout hash equally whatever the batch they lie in, and sums of hashes do not depend on order.
 */
import type { Batch, Column } from "./types.ts";

export interface RowHashes {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

export function hashRows(batch: Batch): RowHashes {
  const low = new Uint32Array(batch.count).fill(0x811c9dc5);
  const high = new Uint32Array(batch.count).fill(0x9e3779b9);
  for (const column of batch.columns) mixColumn(low, high, column);
  return { low, high };
}

function mixColumn(low: Uint32Array, high: Uint32Array, column: Column): void {
  const { nulls } = column;
  if (column.kind === "number") {
    const words = new Uint32Array(column.values.slice().buffer);
    for (let place = 0; place < low.length; place++) {
      if (nulls !== null && nulls[place] === 1) mix(low, high, place, 0x6e756c6c, 0);
      else mix(low, high, place, words[place * 2]!, words[place * 2 + 1]!);
    }
    return;
  }
  const texts = column.kind === "text" ? column.dictionary.map(hashText) : [0, 1];
  const indexes = column.kind === "text" ? column.indexes : column.values;
  for (let place = 0; place < low.length; place++) {
    if (nulls !== null && nulls[place] === 1) mix(low, high, place, 0x6e756c6c, 0);
    else mix(low, high, place, texts[indexes[place]!]!, 0x74787400);
  }
}

function mix(low: Uint32Array, high: Uint32Array, place: number, one: number, two: number): void {
  let a = Math.imul(low[place]! ^ one, 0x85ebca6b);
  let b = Math.imul(high[place]! ^ two, 0xc2b2ae35);
  a ^= a >>> 13;
  b ^= b >>> 16;
  low[place] = (Math.imul(a + b, 0x27d4eb2f) ^ (b >>> 3)) >>> 0;
  high[place] = (Math.imul(b ^ (a >>> 7), 0x165667b1) + a) >>> 0;
}

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** The running, order-free sum over many batches: what two copies of the same rows must agree on. */
export class RowFingerprint {
  rows = 0;
  #low = 0n;
  #high = 0n;

  add(batch: Batch): void {
    const { low, high } = hashRows(batch);
    let lowSum = 0;
    let highSum = 0;
    for (let place = 0; place < batch.count; place++) {
      lowSum += low[place]!;
      highSum += high[place]!;
    }
    this.rows += batch.count;
    this.#low += BigInt(lowSum);
    this.#high += BigInt(highSum);
  }
  get hash(): string {
    const part = (sum: bigint): string => (sum & 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, "0");
    return part(this.#high) + part(this.#low);
  }
}
