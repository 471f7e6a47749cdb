import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  batchOfCells,
  concatBatches,
  createRowReader,
  decodeBatch,
  encodeBatch,
  hashRows,
  type Layout,
  RowFingerprint,
  rowsOf,
  sameRow,
  takeRows,
  type Value,
} from "./index.ts";

const layout: Layout = [
  { name: "symbol", type: "text", nullable: true },
  { name: "time", type: "instant", nullable: true },
  { name: "bid", type: "float", nullable: true },
  { name: "open", type: "boolean", nullable: true },
];
const cells = fc.tuple(
  fc.option(fc.constantFrom("EURUSD", "", "Zürich", "𝔘𝔫𝔦", "日本", "\ufeffmarked")),
  fc.option(fc.integer()),
  fc.option(fc.double({ noNaN: true })),
  fc.option(fc.boolean()),
);
const rows = fc.array(cells, { maxLength: 50 });
const rowsInMany = fc.array(fc.tuple(...layout.map((_, index) => cells.map((row) => row[index] as Value))), {
  maxLength: 600,
});

test("a batch survives its bytes, wherever in memory they lie", () => {
  fc.assert(
    fc.property(fc.oneof(rows, rowsInMany), fc.nat(7), (given, shift) => {
      const batch = batchOfCells(layout, given);
      const bytes = encodeBatch(batch);
      const shifted = new Uint8Array(bytes.length + shift);
      shifted.set(bytes, shift);
      const back = decodeBatch(shifted.subarray(shift));
      assert.deepEqual(rowsOf(layout, back), rowsOf(layout, batch));
      assert.deepEqual(encodeBatch(back), bytes);
    }),
  );
});

test("a dictionary of more than 256 and of more than 65,536 texts survives", () => {
  for (const count of [256, 257, 65_536, 65_537]) {
    const batch = batchOfCells(
      layout,
      Array.from({ length: count }, (_, index) => [`S${index}`, index, 0, true]),
    );
    assert.deepEqual(rowsOf(layout, decodeBatch(encodeBatch(batch))).at(-1), {
      symbol: `S${count - 1}`,
      time: count - 1,
      bid: 0,
      open: true,
    });
  }
});

test("equal rows give equal bytes however the batch was made", () => {
  fc.assert(
    fc.property(rows, rows, (left, right) => {
      const whole = batchOfCells(layout, [...left, ...right]);
      const joined = concatBatches([batchOfCells(layout, left), batchOfCells(layout, right)]);
      const taken = takeRows(
        whole,
        Array.from({ length: whole.count }, (_, place) => place),
      );
      assert.deepEqual(encodeBatch(joined), encodeBatch(whole));
      assert.deepEqual(encodeBatch(taken), encodeBatch(whole));
    }),
  );
});

test("any damage is either noticed as batch_malformed or still a well-formed batch", () => {
  fc.assert(
    fc.property(rows, fc.nat(), fc.nat(255), fc.boolean(), (given, at, value, cut) => {
      const bytes = encodeBatch(batchOfCells(layout, given));
      const damaged = cut ? bytes.slice(0, at % bytes.length) : bytes.slice();
      if (!cut) damaged[at % damaged.length] = value;
      try {
        rowsOf(layout.slice(0, decodeBatch(damaged).columns.length), decodeBatch(damaged));
      } catch (error) {
        assert.equal((error as { code?: string }).code, "batch_malformed");
      }
    }),
    { numRuns: 500 },
  );
});

test("a claimed length never reaches beyond the bytes, nor back over what was read", () => {
  const texts: Layout = [{ name: "text", type: "text", nullable: false }];
  for (const claimed of [2 ** 32 - 1, 2 ** 32 - 16, 2 ** 31, 2 ** 31 - 1]) {
    const bytes = encodeBatch(batchOfCells(texts, [["abc"], ["def"]]));
    new DataView(bytes.buffer).setUint32(28, claimed, true);
    assert.throws(() => decodeBatch(bytes), { code: "batch_malformed" }, String(claimed));
  }
});

test("columns are counted before they are made", () => {
  const bytes = new Uint8Array(16 + 8 * 5_000).fill(0);
  new DataView(bytes.buffer).setUint32(0, 0x3142504d, true);
  new DataView(bytes.buffer).setUint32(8, 5_000, true);
  new DataView(bytes.buffer).setUint32(12, bytes.length, true);
  for (let head = 16; head < bytes.length; head += 8) bytes[head] = 1;
  assert.throws(() => decodeBatch(bytes), { code: "batch_malformed" });
});

test("rows taken out have the bytes of rows built anew, whatever lay under their nulls", () => {
  fc.assert(
    fc.property(rows, fc.array(fc.nat()), (given, wanted) => {
      fc.pre(given.length > 0);
      const places = wanted.map((place) => place % given.length);
      const taken = takeRows(batchOfCells(layout, given), places);
      const anew = batchOfCells(
        layout,
        places.map((place) => given[place]!),
      );
      assert.deepEqual(encodeBatch(taken), encodeBatch(anew));
    }),
  );
});

test("taking rows keeps cells and their order; rows compare by all their cells", () => {
  fc.assert(
    fc.property(rows, fc.array(fc.nat()), (given, wanted) => {
      fc.pre(given.length > 0);
      const batch = batchOfCells(layout, given);
      const places = wanted.map((place) => place % batch.count);
      const taken = takeRows(batch, places);
      for (const [to, from] of places.entries()) assert.ok(sameRow(batch, from, taken, to));
      assert.equal(sameRow(batch, 0, batchOfCells(layout, [["other", 1, 1, true]]), 0), false);
    }),
  );
});

test("the row hash depends on the row alone, and the fingerprint not on order or grouping", () => {
  fc.assert(
    fc.property(rows, rows, (left, right) => {
      const one = new RowFingerprint();
      one.add(batchOfCells(layout, [...left, ...right]));
      const two = new RowFingerprint();
      two.add(batchOfCells(layout, right));
      two.add(batchOfCells(layout, left));
      assert.equal(one.hash, two.hash);
      assert.equal(one.rows, left.length + right.length);
    }),
  );
  const { low } = hashRows(
    batchOfCells(
      layout,
      Array.from({ length: 10_000 }, (_, place) => ["a", place, 0, null]),
    ),
  );
  assert.ok(new Set(low).size > 9_990);
});

test("a name that looks like code stays a name", () => {
  const names = ['x"];globalThis.broken=1;["', "__proto__", "$1"];
  const read = createRowReader(names.map((name) => ({ name, type: "float", nullable: false })));
  const [row] = read(
    batchOfCells(
      names.map((name) => ({ name, type: "float", nullable: false })),
      [[1, 2, 3]],
    ),
  );
  assert.deepEqual(Object.keys(row!), names);
  assert.equal((globalThis as { broken?: number }).broken, undefined);
});
