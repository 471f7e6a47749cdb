/**
 * Sums that do not depend on the order of their terms: each is kept exactly, as a list of doubles that do not overlap
 * (Shewchuk 1997, "Adaptive precision floating-point arithmetic", grow-expansion), and rounded once when it is read.
 * So a mean over rows that arrived in another order is the same double.
 */

/** Non-overlapping doubles in rising order of magnitude whose exact sum is meant. */
export type Expansion = number[];

/** Adds a finite double, in place. A sum beyond the range of doubles ends as something `roundedSum` gives as NaN. */
export function addExact(expansion: Expansion, term: number): void {
  let sum = term;
  let kept = 0;
  for (let place = 0; place < expansion.length; place++) {
    const part = expansion[place]!;
    const total = sum + part;
    const low = Math.abs(sum) < Math.abs(part) ? sum - (total - part) : part - (total - sum);
    if (low !== 0) expansion[kept++] = low;
    sum = total;
  }
  expansion[kept] = sum;
  expansion.length = kept + 1;
}

const SPLITTER = 2 ** 27 + 1;

/** Adds the exact product of two doubles (Dekker's product: a rounded part and its error). */
export function addProduct(expansion: Expansion, left: number, right: number): void {
  const product = left * right;
  addExact(expansion, product);
  const error = productError(product, left, right);
  if (error !== 0) addExact(expansion, error);
}

/** What the rounded product of two doubles lacks; 0 where it is beyond the range of doubles. */
export function productError(product: number, left: number, right: number): number {
  const leftBig = SPLITTER * left;
  const leftHigh = leftBig - (leftBig - left);
  const leftLow = left - leftHigh;
  const rightBig = SPLITTER * right;
  const rightHigh = rightBig - (rightBig - right);
  const rightLow = right - rightHigh;
  const error = leftLow * rightLow - (product - leftHigh * rightHigh - leftLow * rightHigh - leftHigh * rightLow);
  return Number.isFinite(error) ? error : 0;
}

/** The double nearest to the exact sum, ties to even; 0 for none. */
export function roundedSum(expansion: Expansion): number {
  let place = expansion.length - 1;
  if (place < 0) return 0;
  let high = expansion[place--]!;
  let low = 0;
  while (place >= 0) {
    const before = high;
    const part = expansion[place--]!;
    high = before + part;
    low = part - (high - before);
    if (low !== 0) break;
  }
  // Half-way cases: what lies below decides the direction.
  if (place >= 0 && ((low < 0 && expansion[place]! < 0) || (low > 0 && expansion[place]! > 0))) {
    const twice = low * 2;
    const moved = high + twice;
    if (twice === moved - high) high = moved;
  }
  return high + 0;
}

/** The population standard deviation from the exact sums of the values and of their squares. */
export function deviation(count: number, sum: Expansion, squares: Expansion): number {
  const spread: Expansion = [];
  for (const part of squares) addProduct(spread, part, count);
  for (const left of sum) for (const right of sum) addProduct(spread, -left, right);
  return Math.sqrt(Math.max(0, roundedSum(spread))) / count;
}
