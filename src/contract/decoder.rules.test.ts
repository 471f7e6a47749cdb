/** One meaning by every way in: rows, columns and the published schema are held against each other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Compile } from "typebox/compile";
import { formatInstant } from "../base/index.ts";
import { batchOfRows, encodeBatch, rowsOf, type Value } from "../batch/index.ts";
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
  jsonSchema,
  optional,
  series,
  text,
} from "./index.ts";

const runs = { numRuns: Number(process.env.MILLPOND_RUNS ?? 150) };

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

const anyNumber = fc.oneof(
  fc.double(),
  fc.double({ min: -6, max: 6 }),
  fc.integer(),
  fc.constantFrom(-0, 0, 2 ** 53, -(2 ** 53) + 1, Number.MAX_SAFE_INTEGER, Number.NaN),
);
const anyText = fc.oneof(
  fc.string({ maxLength: 10 }),
  fc.string({ unit: "binary", maxLength: 10 }),
  fc.constantFrom("buy", "sell", "\0", "\ud800", "1.50", "1.5", "", "😀😀😀😀😀😀😀😀"),
);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 6 });
const cells = fc.record({
  id: maybe(anyText),
  at: maybe(anyNumber),
  price: maybe(anyNumber),
  size: maybe(anyNumber),
  open: maybe(fc.boolean()),
  took: maybe(anyNumber),
  amount: maybe(anyText),
  side: fc.constantFrom("buy", "sell", "sell", null, "other"),
  note: maybe(anyText),
  extra: maybe(fc.jsonValue({ maxDepth: 2 })),
});
const withoutReasonText = ({ refused }: Decoded) => refused.map(({ place, code, field }) => ({ place, code, field }));

test("rows and columns of the same values get the same answer", () => {
  fc.assert(
    fc.property(fc.array(cells, { maxLength: 12 }), (rows) => {
      const columns = batchOfRows(
        everything.layout,
        rows.map((row) => ({ ...row, extra: row.extra === null ? null : JSON.stringify(row.extra) })),
      );
      const byRows = decoder.decodeRows(rows);
      const byColumns = decoder.checkColumns(columns);
      assert.deepEqual(withoutReasonText(byColumns), withoutReasonText(byRows));
      assert.deepEqual(byColumns.places, byRows.places);
      assert.deepEqual(encodeBatch(byColumns.batch), encodeBatch(byRows.batch));
      assert.equal(byRows.places.length + byRows.refused.length, rows.length);
      const again = decoder.checkColumns(byRows.batch);
      assert.equal(again.batch, byRows.batch);
    }),
    runs,
  );
});

test("the answer for a row does not depend on the rows around it", () => {
  fc.assert(
    fc.property(fc.array(cells, { minLength: 1, maxLength: 8 }), (rows) => {
      const together = decoder.decodeRows(rows);
      const codes = new Map(together.refused.map(({ place, code, field }) => [place, `${code} ${field}`]));
      rows.forEach((row, place) => {
        const [alone] = decoder.decodeRows([row]).refused;
        assert.equal(alone && `${alone.code} ${alone.field}`, codes.get(place));
      });
    }),
    runs,
  );
});

test("what the JSON Schema allows, the decoder takes; what the decoder gives, the schema of output allows", () => {
  const input = Compile(jsonSchema(everything, "input"));
  const output = Compile(jsonSchema(everything, "output"));
  const ascii = fc.string({ maxLength: 10 }).map((text) => text.replace(/[^ -~]/g, "?"));
  const micros = fc.integer({ min: 0, max: 4_000_000_000_000_000 });
  const row = fc.record({
    id: maybe(ascii),
    at: fc.oneof(micros, micros.map(formatInstant), ascii),
    price: fc.oneof(fc.double({ min: -6, max: 6, noNaN: true }), ascii),
    size: fc.oneof(fc.integer(), fc.constant(1.5)),
    open: fc.oneof(fc.boolean(), fc.boolean(), ascii),
    amount: fc.oneof(fc.constantFrom("1.5", "-2", "1.234", null), ascii),
    side: fc.constantFrom("buy", "sell", "other"),
    extra: maybe(fc.jsonValue({ maxDepth: 2 })),
  });
  fc.assert(
    fc.property(row, (value) => {
      const { refused, batch } = decoder.decodeRows([value]);
      if (input.Check(value)) assert.deepEqual(refused, []);
      if (refused.length > 0) return;
      const [given] = rowsOf(everything.layout, batch) as Record<string, Value>[];
      assert(output.Check({ ...given, at: formatInstant(given!.at as number), extra: JSON.parse(`${given!.extra}`) }));
    }),
    runs,
  );
});
