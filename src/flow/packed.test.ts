import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { propertyRuns } from "./flow-fixture.ts";
import { eachList, joined, packed, packedLists } from "./packed.ts";

const number = fc.oneof(
  fc.nat(255),
  fc.nat(70_000),
  fc.constantFrom(-0, -1, 0.5, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, NaN, Infinity, -Infinity),
);

test("packed numbers are the given ones, in lists too", () => {
  fc.assert(
    fc.property(fc.array(fc.array(number, { maxLength: 5 })), (lists) => {
      const flat = lists.flat();
      assert.deepEqual([...packed(flat)], flat);
      const found: number[][] = [];
      eachList(structuredClone(packedLists(lists)), (list, index) => {
        assert.equal(index, found.length);
        found.push([...list]);
      });
      assert.deepEqual(found, lists);
      assert.deepEqual(
        [
          ...joined(
            lists.map((list) => Float64Array.from(list)),
            Float64Array,
          ),
        ],
        flat,
      );
    }),
    { numRuns: propertyRuns },
  );
});

test("numbers take no more room than their size asks for", () => {
  const widths = [[255], [256], [65_536], [2 ** 32], [0.5], [-1]].map((numbers) => packed(numbers).BYTES_PER_ELEMENT);
  assert.deepEqual(widths, [1, 2, 4, 8, 8, 8]);
});
