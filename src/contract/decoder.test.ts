import assert from "node:assert/strict";
import { test } from "node:test";
import { MillpondError } from "../base/index.ts";
import { type Batch, batchOfRows, type Column, encodeBatch, rowsOf, type Value } from "../batch/index.ts";
import {
  boolean,
  compileDecoder,
  type Decoded,
  decimal,
  duration,
  enumeration,
  float,
  instant,
  integer,
  json,
  optional,
  series,
  text,
} from "./index.ts";

const everything = series("everything", {
  fields: {
    id: text({ max: 8 }),
    at: instant(),
    price: float({ min: -5, max: 5 }),
    size: integer({ min: 0 }),
    open: boolean(),
    took: optional(duration()),
    amount: optional(decimal({ scale: 2 })),
    side: enumeration(["buy", "sell"]),
    note: optional(text()),
    extra: optional(json()),
  },
  key: ["id"],
  time: "at",
});
const decoder = compileDecoder(everything);
const good = { id: "a", at: 1, price: 1.5, size: 2, open: true, side: "buy" };

const ticks = series("ticks", {
  fields: { symbol: text({ max: 32 }), time: instant(), bid: float(), volume: float({ min: 0 }) },
  key: ["symbol"],
  time: "time",
});
const tickDecoder = compileDecoder(ticks);
const tick = (over: Readonly<Record<string, unknown>> = {}) => ({ symbol: "A", time: 1, bid: 1, volume: 0, ...over });

/** The code of the one refused row, with its field. */
function codeOf({ refused, places }: Decoded): string {
  assert.deepEqual([places.length, refused.length], [0, 1]);
  return `${refused[0]!.code} ${refused[0]!.field ?? "-"}`;
}
const cell = (field: string, value: unknown): Value => {
  const { batch, refused } = decoder.decodeRows([{ ...good, [field]: value }]);
  assert.deepEqual(refused, []);
  return rowsOf(everything.layout, batch)[0]![field]!;
};

const refusals: readonly (readonly [row: unknown, code: string])[] = [
  [null, "row_not_object -"],
  [[good], "row_not_object -"],
  ["row", "row_not_object -"],
  [{ ...good, id: undefined }, "field_missing id"],
  [{ ...good, id: null }, "field_missing id"],
  [{ at: 1 }, "field_missing id"],
  [{ ...good, colour: 1 }, "field_not_declared colour"],
  [JSON.parse('{"__proto__":{"id":"a"}}'), "field_forbidden_name __proto__"],
  [{ ...good, constructor: 1 }, "field_forbidden_name constructor"],
  [{ ...good, prototype: 1 }, "field_forbidden_name prototype"],
  [{ ...good, toString: 1 }, "field_not_declared toString"],
  [{ ...good, price: "1.5" }, "value_wrong_type price"],
  [{ ...good, price: Number.NaN }, "value_not_finite price"],
  [{ ...good, price: Number.POSITIVE_INFINITY }, "value_not_finite price"],
  [{ ...good, price: 5.1 }, "value_out_of_range price"],
  [{ ...good, price: [1] }, "value_wrong_type price"],
  [{ ...good, size: 1.5 }, "value_wrong_type size"],
  [{ ...good, size: -1 }, "value_out_of_range size"],
  [{ ...good, size: 2 ** 53 }, "value_out_of_range size"],
  [{ ...good, size: 10n }, "value_wrong_type size"],
  [{ ...good, took: "5s" }, "value_wrong_type took"],
  [{ ...good, at: "yesterday" }, "value_not_instant at"],
  [{ ...good, at: "2026-02-30T00:00:00Z" }, "value_not_instant at"],
  [{ ...good, at: "9999-01-01T00:00:00Z" }, "value_out_of_range at"],
  [{ ...good, at: 1.5 }, "value_not_instant at"],
  [{ ...good, at: Number.NaN }, "value_not_finite at"],
  [{ ...good, at: 2 ** 53 }, "value_out_of_range at"],
  [{ ...good, open: 1 }, "value_wrong_type open"],
  [{ ...good, open: "true" }, "value_wrong_type open"],
  [{ ...good, id: 7 }, "value_wrong_type id"],
  [{ ...good, id: "123456789" }, "value_too_long id"],
  [{ ...good, id: "a\ud800" }, "value_not_unicode id"],
  [{ ...good, id: "a\0" }, "value_not_unicode id"],
  [{ ...good, side: "hold" }, "value_not_listed side"],
  [{ ...good, amount: "1.234" }, "value_out_of_range amount"],
  [{ ...good, amount: "1e2" }, "value_wrong_type amount"],
  [{ ...good, amount: "9".repeat(39) }, "value_wrong_type amount"],
  [{ ...good, amount: 0.1 + 0.2 }, "value_wrong_type amount"],
  [{ ...good, amount: true }, "value_wrong_type amount"],
  [{ ...good, extra: { a: Number.NaN } }, "value_not_finite extra"],
  [{ ...good, extra: { a: ["\udc00"] } }, "value_not_unicode extra"],
  [{ ...good, extra: { "\0": 1 } }, "value_not_unicode extra"],
  [{ ...good, extra: new Date(0) }, "value_wrong_type extra"],
  [{ ...good, extra: { a: undefined } }, "value_wrong_type extra"],
  [{ ...good, extra: JSON.parse('{"a":{"__proto__":1}}') }, "field_forbidden_name extra"],
  [{ ...good, extra: nested(64) }, "row_too_deep extra"],
  [{ ...good, extra: nested(200_000) }, "row_too_deep extra"],
  [{ ...good, extra: "x".repeat(70_000) }, "value_too_long extra"],
  [{ ...good, extra: "x".repeat(65_534), note: "n".repeat(900) }, "row_too_large -"],
];

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

refusals.forEach(([row, code], index) => {
  test(`a row is refused with a precise reason: ${code} (${index})`, () => {
    assert.equal(codeOf(decoder.decodeRows([row])), code);
  });
});

test("a reason tells the type of a value, never the value", () => {
  const secret = "4111-1111";
  const { refused } = decoder.decodeRows([
    { ...good, price: secret },
    { ...good, extra: { [secret]: () => secret } },
    { ...good, side: secret },
  ]);
  assert.equal(refused.length, 3);
  assert.equal(refused[0]!.message, "field 'price' must be a number but is text");
  assert(!JSON.stringify(refused).includes(secret));
});

test("a value that contains itself is refused, not followed for ever", () => {
  const loop: Record<string, unknown> = {};
  loop.loop = loop;
  assert.equal(codeOf(decoder.decodeRows([{ ...good, extra: loop }])), "row_too_deep extra");
  const wide = [1, 2];
  const bomb = Array.from({ length: 40 }).reduce<unknown>((inner) => [inner, inner], wide);
  assert.equal(codeOf(decoder.decodeRows([{ ...good, extra: bomb }])), "value_too_long extra");
});

test("only own properties are read, whatever the prototypes hold", () => {
  assert.equal(codeOf(decoder.decodeRows([Object.create(good)])), "field_missing id");
  class Row {
    id = "a";
  }
  assert.equal(codeOf(decoder.decodeRows([Object.assign(new Row(), { ...good, id: undefined })])), "field_missing id");
  const polluted = Object.prototype as { note?: string };
  try {
    polluted.note = "inherited";
    const row = decoder.decodeRows([good]).batch;
    assert.equal(rowsOf(everything.layout, row)[0]!.note, null);
  } finally {
    delete polluted.note;
  }
});

test("values become canonical cells", () => {
  assert.equal(cell("at", "2026-11-20T10:31:00.5+01:00"), Date.UTC(2026, 10, 20, 9, 31, 0, 500) * 1000);
  assert.equal(cell("amount", "+001.50"), "1.5");
  assert.equal(cell("amount", "-0.00"), "0");
  assert.equal(cell("amount", 12.5), "12.5");
  assert.equal(cell("amount", 1e-2), "0.01");
  assert.equal(cell("extra", { b: [1, -0, 1e21], a: "é" }), '{"a":"é","b":[1,0,1e+21]}');
  assert.equal(cell("extra", "text"), '"text"');
  assert.equal(cell("took", undefined), null);
  assert(Object.is(cell("price", -0), 0));
  assert.equal(cell("id", "😀".repeat(8)), "😀".repeat(8));
});

test("good rows are kept with their received places", () => {
  const rows = [tick(), tick({ bid: "x" }), tick({ symbol: "B" }), 7, tick({ symbol: "A", bid: 3 })];
  const { batch, places, refused } = tickDecoder.decodeRows(rows);
  assert.deepEqual([...places], [0, 2, 4]);
  assert.deepEqual(
    refused.map(({ place }) => place),
    [1, 3],
  );
  assert.deepEqual(rowsOf(ticks.layout, batch), [tick(), tick({ symbol: "B" }), tick({ bid: 3 })]);
});

test("what refused rows held is in no dictionary, also where nulls point at it", () => {
  const rows = [
    { ...good, note: "gone", price: "x" },
    { ...good, note: null },
    { ...good, note: "kept" },
  ];
  const { batch } = decoder.decodeRows(rows);
  assert.deepEqual(encodeBatch(batch), encodeBatch(decoder.decodeRows(rows.slice(1)).batch));
});

test("good columns are passed on untouched", () => {
  const batch = batchOfRows(ticks.layout, [tick(), tick({ symbol: "B", time: 2 })]);
  const checked = tickDecoder.checkColumns(batch);
  assert.equal(checked.batch, batch);
  assert.deepEqual([...checked.places], [0, 1]);
  assert.deepEqual(checked.refused, []);
});

test("columns become canonical without changing what was given", () => {
  const given: Batch = {
    count: 3,
    columns: [
      {
        kind: "text",
        dictionary: ["unused", "B", "A", "B"],
        indexes: Uint32Array.of(2, 1, 3),
        nulls: new Uint8Array(3),
      },
      { kind: "number", values: Float64Array.of(1, 2, 3), nulls: null },
      { kind: "number", values: Float64Array.of(-0, 1, 2), nulls: null },
      { kind: "number", values: Float64Array.of(0, 0, 0), nulls: new Uint8Array(3) },
    ],
  };
  const before = structuredClone(given);
  const { batch, refused } = tickDecoder.checkColumns(given);
  assert.deepEqual(refused, []);
  assert.deepEqual(given, before);
  const rows = [tick({ bid: 0 }), tick({ symbol: "B", time: 2 }), tick({ symbol: "B", time: 3, bid: 2 })];
  assert.deepEqual(encodeBatch(batch), encodeBatch(batchOfRows(ticks.layout, rows)));
});

test("the values under nulls do not matter", () => {
  const column = (value: number): Column => ({
    kind: "number",
    values: Float64Array.of(value),
    nulls: Uint8Array.of(1),
  });
  const batch = (value: number): Batch => {
    const { count, columns } = batchOfRows(everything.layout, [good]);
    return { count, columns: columns.map((given, index) => (index === 5 ? column(value) : given)) };
  };
  const bytes = [0, -0, 7, Number.NaN].map((value) => encodeBatch(decoder.checkColumns(batch(value)).batch));
  for (const other of bytes) assert.deepEqual(other, bytes[0]);
});

test("bad cells in columns are refused row by row", () => {
  const batch: Batch = {
    count: 5,
    columns: [
      {
        kind: "text",
        dictionary: ["A", "x".repeat(33), "\ud800"],
        indexes: Uint32Array.of(0, 1, 2, 0, 0),
        nulls: null,
      },
      { kind: "number", values: Float64Array.of(1, 1, 1, 1.5, 1), nulls: null },
      { kind: "number", values: Float64Array.of(1, 1, 1, 1, Number.NaN), nulls: Uint8Array.of(1, 0, 0, 0, 0) },
      { kind: "number", values: Float64Array.of(1, 1, 1, 1, 1), nulls: null },
    ],
  };
  const { refused, places } = tickDecoder.checkColumns(batch);
  assert.deepEqual([...places], []);
  assert.deepEqual(
    refused.map(({ place, code, field }) => `${place} ${code} ${field}`),
    [
      "0 field_missing bid",
      "1 value_too_long symbol",
      "2 value_not_unicode symbol",
      "3 value_not_instant time",
      "4 value_not_finite bid",
    ],
  );
});

test("columns that are not those of the layout are malformed", () => {
  const { columns } = batchOfRows(ticks.layout, [tick()]);
  const [symbol, time, bid, volume] = columns as [Column, Column, Column, Column];
  const text = symbol as Extract<Column, { kind: "text" }>;
  const malformed: Batch[] = [
    { count: 1, columns: [symbol, time, bid] },
    { count: 1, columns: [time, symbol, bid, volume] },
    { count: 2, columns: [symbol, time, bid, volume] },
    { count: 1, columns: [{ ...text, indexes: Uint32Array.of(1) }, time, bid, volume] },
    { count: 1, columns: [symbol, { ...time, nulls: Uint8Array.of(2) } as Column, bid, volume] },
    { count: 1, columns: [symbol, { ...time, nulls: new Uint8Array(2) } as Column, bid, volume] },
  ];
  for (const batch of malformed) {
    assert.throws(
      () => tickDecoder.checkColumns(batch),
      (error) => error instanceof MillpondError && error.code === "batch_malformed",
    );
  }
});
