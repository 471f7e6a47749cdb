/** Small moves of numbers between columns and slots. */
import type { Column, NumberColumn } from "../batch/index.ts";

/** Of a column that a checked declaration says holds numbers. */
export const numbers = (column: Column | undefined): NumberColumn => column as NumberColumn;

/** The numbers of these slots, in their order. */
export function picked(from: Float64Array | Int32Array | Uint8Array, slots: readonly number[]): Float64Array {
  const to = new Float64Array(slots.length);
  for (let place = 0; place < slots.length; place++) to[place] = from[slots[place]!]!;
  return to;
}
/** The opposite of `picked`. */
export function put(to: Float64Array, slots: readonly number[], from: ArrayLike<number>): void {
  for (let place = 0; place < slots.length; place++) to[slots[place]!] = from[place]!;
}
export function grown(from: Float64Array<ArrayBuffer>, capacity: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(capacity);
  to.set(from);
  return to;
}
