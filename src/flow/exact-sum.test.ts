import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addExact, addProduct, deviation, type Expansion, roundedSum } from "./exact-sum.ts";
import { propertyRuns } from "./flow-fixture.ts";
import { IntervalSet } from "./interval-set.ts";

const doubles = fc.array(fc.double({ noNaN: true, min: -1e12, max: 1e12 }), { maxLength: 40 });

const expansionOf = (values: readonly number[]): Expansion => {
  const expansion: Expansion = [];
  for (const value of values) addExact(expansion, value);
  return expansion;
};

/** A double as a whole number of 2^-1074ths. */
function units(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const size = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return bits >> 63n === 1n ? -size : size;
}

/** The nearest double to a whole number of 2^-1074ths, ties to even. */
function nearest(total: bigint): number {
  const size = total < 0n ? -total : total;
  const extra = BigInt(Math.max(0, size.toString(2).length - 53));
  let kept = size >> extra;
  const rest = size - (kept << extra);
  const half = extra === 0n ? 0n : 1n << (extra - 1n);
  if (rest > half || (rest === half && extra > 0n && (kept & 1n) === 1n)) kept += 1n;
  let value = Number(kept);
  let shift = Number(extra) - 1074;
  while (shift < 0) {
    const step = Math.max(shift, -1000);
    value *= 2 ** step;
    shift -= step;
  }
  return (total < 0n ? -value : value) * 2 ** shift;
}

test("a sum is the double nearest to the exact sum of the doubles", () => {
  fc.assert(
    fc.property(doubles, (values) => {
      const exact = values.reduce((total, value) => total + units(value), 0n);
      assert.equal(roundedSum(expansionOf(values)), nearest(exact) + 0);
    }),
    { numRuns: propertyRuns },
  );
  assert.equal(roundedSum(expansionOf([1e16, 1, -1e16])), 1);
  assert.equal(roundedSum(expansionOf([])), 0);
});

test("sums, products and deviations do not depend on the order of their terms", () => {
  fc.assert(
    fc.property(doubles, (values) => {
      const results = [values, values.toReversed(), values.toSorted((one, two) => one - two)].map((ordered) => {
        const sum = expansionOf(ordered);
        const squares: Expansion = [];
        for (const value of ordered) addProduct(squares, value, value);
        return [roundedSum(sum), roundedSum(squares), deviation(Math.max(1, ordered.length), sum, squares)];
      });
      assert.deepEqual(results[1], results[0]);
      assert.deepEqual(results[2], results[0]);
    }),
    { numRuns: propertyRuns },
  );
});

test("the deviation of equal values is zero, and small spreads around large values are kept", () => {
  const of = (values: readonly number[]): number => {
    const squares: Expansion = [];
    for (const value of values) addProduct(squares, value, value);
    return deviation(values.length, expansionOf(values), squares);
  };
  assert.equal(of([1.1, 1.1, 1.1]), 0);
  assert.equal(of([1e9, 1e9 + 2 ** -20]), 2 ** -21);
});

test("a set of runs holds what was added", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 20 })), (members) => {
      const set = new IntervalSet();
      for (const member of members) set.add(member);
      const copy = new IntervalSet();
      copy.load(set.save());
      for (let member = -22; member <= 22; member++) {
        assert.equal(set.has(member), members.includes(member));
        assert.equal(copy.has(member), members.includes(member));
      }
      const runs = set.save();
      for (let place = 2; place < runs.length; place += 2) assert.ok(runs[place]! > runs[place - 1]! + 1);
    }),
    { numRuns: propertyRuns },
  );
});
