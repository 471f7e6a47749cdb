/**
 * Saved state as a few typed arrays instead of many objects: a snapshot is taken between two batches and must not hold
 * them up, and bytes in a row are copied at the speed of memory.
 */

/** Numbers in the narrowest form that holds each of them exactly. To be read like any array of numbers. */
export type Packed = Uint8Array | Uint16Array | Uint32Array | Float64Array;

export function packed(given: Float64Array | readonly number[]): Packed {
  // One kind of array for the loop, which so stays fast.
  const numbers = given instanceof Float64Array ? given : Float64Array.from(given);
  let most = 0;
  for (let place = 0; place < numbers.length; place++) {
    const number = numbers[place]!;
    // Object.is tells the zero that would lose its sign.
    if (!(number >= 0 && number <= 0xffff_ffff) || number !== Math.floor(number) || Object.is(number, -0)) {
      return numbers.slice();
    }
    if (number > most) most = number;
  }
  if (most <= 0xff) return new Uint8Array(numbers);
  return most <= 0xffff ? new Uint16Array(numbers) : new Uint32Array(numbers);
}

/** Lists one behind the other, and how long each is. */
export interface PackedLists {
  readonly lengths: Packed;
  readonly members: Packed;
}

export function packedLists(lists: readonly ArrayLike<number>[]): PackedLists {
  const lengths = lists.map((list) => list.length);
  const members = new Float64Array(lengths.reduce((sum, length) => sum + length, 0));
  let place = 0;
  for (const list of lists) {
    // Most are of one or two numbers: no call for each.
    for (let index = 0; index < list.length; index++) members[place++] = list[index]!;
  }
  return { lengths: packed(lengths), members: packed(members) };
}

/** Calls back with each list, in their order. */
export function eachList({ lengths, members }: PackedLists, take: (list: Packed, index: number) => void): void {
  let from = 0;
  lengths.forEach((length, index) => {
    take(members.subarray(from, from + length), index);
    from += length;
  });
}

/** Joins what is not to be narrowed. */
export function joined<Kind extends Float64Array | Int32Array>(
  parts: readonly Kind[],
  make: new (length: number) => Kind,
): Kind {
  const whole = new make(parts.reduce((sum, { length }) => sum + length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}
