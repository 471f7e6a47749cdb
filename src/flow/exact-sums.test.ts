import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addExact, addProduct, type Expansion, roundedSum } from "./exact-sum.ts";
import { ExactSums } from "./exact-sums.ts";
import { propertyRuns } from "./flow-fixture.ts";

const terms = fc.array(
  fc.tuple(
    fc.nat(2),
    fc.oneof(
      fc.integer({ min: -9_999, max: 9_999 }).map((units) => units / 100),
      fc.double({ noNaN: true, min: -1e12, max: 1e12 }),
      fc.constantFrom(2 ** 60, -(2 ** 60), 2 ** -200, 1e100, -1e100, -0),
    ),
    fc.boolean(),
  ),
  { maxLength: 40 },
);

function sums(): ExactSums {
  const made = new ExactSums();
  made.grow(2);
  made.grow(5);
  return made;
}

test("sums over slots are the exact ones, one by one, by rows, and after saving and loading into other slots", () => {
  fc.assert(
    fc.property(terms, fc.nat(40), (given, cut) => {
      const expected: Expansion[] = [[], [], []];
      let slots = [0, 1, 2];
      let under = sums();
      const byRows = sums();
      given.forEach(([index, term, product], at) => {
        if (at === cut) {
          const saved = structuredClone(under.save(slots));
          under = sums();
          under.load([4, 0, 3], saved);
          assert.deepEqual(under.save([4, 0, 3]), saved);
          slots = [4, 0, 3];
        }
        if (product && Math.abs(term) < 1e50) {
          addProduct(expected[index]!, term, term);
          under.addProduct(slots[index]!, term, term);
        } else {
          addExact(expected[index]!, term);
          under.add(slots[index]!, term);
        }
      });
      expected.forEach((parts, index) => {
        assert.equal(under.rounded(slots[index]!) + 0, roundedSum(parts));
        assert.equal(roundedSum(under.of(slots[index]!)), roundedSum(parts));
      });
      const pairs = {
        slots: Int32Array.from(given, ([index]) => index),
        rows: Int32Array.from(given.keys()).reverse(),
      };
      const values = Float64Array.from(given, ([, term]) => term).reverse();
      const counts = new Float64Array(5);
      byRows.addRows({ kind: "number", values, nulls: null }, pairs, 0, given.length, counts);
      for (const index of [0, 1, 2]) {
        const own = given.filter(([each]) => each === index);
        const parts: Expansion = [];
        for (const [, term] of own) addExact(parts, term);
        assert.equal(byRows.rounded(index) + 0, roundedSum(parts));
        assert.equal(counts[index], own.length);
      }
    }),
    { numRuns: propertyRuns },
  );
});

test("a cleared slot starts anew, and a sum beyond the range of doubles stays small and says so", () => {
  const under = sums();
  for (const term of [1e300, 1, 1e-300]) under.add(1, term);
  under.clear(1);
  under.add(1, 0.5);
  assert.equal(under.rounded(1), 0.5);
  for (let count = 0; count < 50; count++) under.add(1, Number.MAX_VALUE);
  assert.ok(!Number.isFinite(under.rounded(1)));
  assert.ok(under.of(1).length <= 3);
});
