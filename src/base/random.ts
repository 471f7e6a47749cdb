/** Chance as a value that is passed in: seeded in tests and in simulated feeds, from the system otherwise. */
import { getRandomValues } from "./platform.ts";

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = {
  next: () => new DataView(systemRandom.bytes(4).buffer).getUint32(0) / 2 ** 32,
  bytes: (count) => getRandomValues(count),
};

/** mulberry32: small and fast, never for secrets. The same seed gives the same sequence on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const nextWord = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  };
  return {
    next: () => nextWord() / 2 ** 32,
    bytes: (count) => Uint8Array.from({ length: count }, () => nextWord() & 0xff),
  };
}
