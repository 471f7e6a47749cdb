import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MillpondError } from "../base/index.ts";
import { rowsOf } from "../batch/index.ts";
import {
  compileDecoder,
  decimal,
  float,
  instant,
  integer,
  json,
  optional,
  parseJsonRows,
  series,
  text,
} from "./index.ts";

const runs = { numRuns: Number(process.env.MILLPOND_RUNS ?? 200) };

const faultOf = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    assert(error instanceof MillpondError, String(error));
    return `${error.code} ${error.details.position ?? ""}`.trim();
  }
  return assert.fail("the text was accepted");
};
const codes = (text: string): readonly string[] =>
  parseJsonRows(text).unreadable.map(
    ({ place, code, field }) => `${place} ${code}${field === undefined ? "" : ` ${field}`}`,
  );

test("an array and lines give the rows with their places and texts", () => {
  for (const text of ['[{"a":1}, {"a":[2]} ]', '\ufeff \n[{"a":1},\n{"a":[2]}]', '{"a":1}\r\n\n  {"a":[2]}\n']) {
    const read = parseJsonRows(text);
    assert.deepEqual(read.rows, [{ a: 1 }, { a: [2] }]);
    assert.deepEqual([...read.places], [0, 1]);
    assert.deepEqual([read.received, read.rawOf(1)], [2, '{"a":[2]}']);
  }
  assert.equal(parseJsonRows("[]").received, 0);
  assert.equal(parseJsonRows(" \n ").received, 0);
});

test("a broken array fails whole, with the place of its fault", () => {
  const faults: readonly (readonly [string, number])[] = [
    ["[", 1],
    ["[1,]", 3],
    ["[,1]", 1],
    ["[1 2]", 3],
    ['[{"a":1}', 8],
    ['[{"a":1]', 7],
    ['[{"a":tru}]', 6],
    ['[{"a" 1}]', 6],
    ['[{"a":01}]', 7],
    ['[{"a":1.}]', 8],
    ['[{"a":"\n"}]', 7],
    ['[{"a":"\\x"}]', 8],
    ['[{"a":"b}]', 10],
    ["[{a:1}]", 2],
    ["[1]]", 3],
    ["[1] [2]", 4],
    [`[${'{"a":9007199254740993},'.repeat(2)}{"a":}]`, 52],
  ];
  for (const [text, place] of faults)
    assert.equal(
      faultOf(() => parseJsonRows(text)),
      `json_invalid ${place}`,
      text,
    );
});

test("a broken line loses only itself", () => {
  const read = parseJsonRows('{"a":1}\n{"a":\nnope\n{"a":2}{"a":3}\n{"a":4}');
  assert.deepEqual(read.rows, [{ a: 1 }, { a: 4 }]);
  assert.deepEqual([...read.places], [0, 4]);
  assert.deepEqual(
    read.unreadable.map(({ place, code, raw }) => `${place} ${code} ${raw}`),
    ['1 row_not_json {"a":', "2 row_not_json nope", '3 row_not_json {"a":2}{"a":3}'],
  );
  assert.equal(read.received, 5);
});

test("a name that stands twice in one object is refused wherever it stands, however it is written", () => {
  assert.deepEqual(codes('[{"a":1,"b":2,"a":3},{"a":1}]'), ["0 field_duplicate a"]);
  assert.deepEqual(codes('{"a":1,"\\u0061":2}\n{"a":1,"b":{"a":2}}'), ["0 field_duplicate a"]);
  assert.deepEqual(codes('[{"a":{"b":[{"c":1,"c":1}]}}]'), ["0 field_duplicate c"]);
  assert.deepEqual(codes('[{"__proto__":1,"__proto__":2}]'), ["0 field_duplicate __proto__"]);
  assert.deepEqual(codes('[{"a":":::","b":"\\":"}]'), []);
});

test("depth is measured without recursion", () => {
  const deep = (levels: number): string => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
  assert.deepEqual(codes(`[${deep(64)},${deep(65)},{"a":1}]`), ["1 row_too_deep"]);
  assert.deepEqual(codes(`${deep(200_000).slice(0, 60_000)}\n{"a":1}`), ["0 row_not_json"]);
  const read = parseJsonRows(`[${deep(200_000)},{"a":1}]`);
  assert.deepEqual(read.rows, [{ a: 1 }]);
  assert.equal(read.unreadable[0]!.code, "row_too_deep");
  assert.equal(
    faultOf(() => parseJsonRows("[".repeat(200_000))),
    "json_invalid 200000",
  );
  assert.equal(
    faultOf(() => parseJsonRows(`[${"[".repeat(100_000)}}`)),
    "json_invalid 100001",
  );
  assert.deepEqual(codes(deep(200_000)), ["0 row_too_large"]);
});

test("rows that are too large are refused by bytes, the others are read", () => {
  const long = (units: number, sign = "x"): string => `{"a":"${sign.repeat(units - 8)}"}`;
  assert.deepEqual(codes(`[${long(65_536)},${long(65_537)}]`), ["1 row_too_large"]);
  assert.deepEqual(codes(`[${long(30_000, "é")},${long(40_000, "é")}]`), ["1 row_too_large"]);
  assert.deepEqual(codes(`${long(30_000, "é")}\n${long(40_000, "é")}`), ["1 row_too_large"]);
  assert.deepEqual(codes(`[${long(20_000, "€")},${long(24_000, "€")}]`), ["1 row_too_large"]);
  assert.deepEqual(codes(`[${long(16_000, "😀")},${long(17_000, "😀")}]`), ["1 row_too_large"]);
  const huge = "y".repeat(64 * 1024 * 1024);
  assert.deepEqual(codes(`[{"a":"${huge}"},{"a":1}]`), ["0 row_too_large"]);
  assert.deepEqual(codes(`{"a":"${huge}"}\n{"a":1}`), ["0 row_too_large"]);
  const many = `{${Array.from({ length: 1_001 }, (_, index) => `"k${index}":1`)}}`;
  assert.deepEqual(codes(`[${many}]`), ["0 row_too_many_fields"]);
  assert.equal(
    faultOf(() => parseJsonRows("[1,2,3]", { rows: 2 })),
    "batch_too_large",
  );
  assert.equal(
    faultOf(() => parseJsonRows("1\n2\n3", { rows: 2 })),
    "batch_too_large",
  );
});

const amounts = series("amounts", {
  fields: {
    id: integer(),
    at: instant(),
    price: optional(float()),
    amount: optional(decimal()),
    extra: optional(json()),
    note: optional(text()),
  },
  key: ["id"],
  time: "at",
});
const decoder = compileDecoder(amounts);
function decoded(members: string): string {
  const text = `[{"id":1,"at":1700000000000000,${members}}]`;
  const { batch, refused } = decoder.decodeRows(parseJsonRows(text, { decimals: decoder.decimals }).rows);
  if (refused.length > 0) return `${refused[0]!.code} ${refused[0]!.field}`;
  const { price, amount, extra } = rowsOf(amounts.layout, batch)[0]!;
  return String(price ?? amount ?? extra);
}

test("numbers keep their digits until a field says what they are", () => {
  assert.equal(decoded('"amount":9007199254740993'), "9007199254740993");
  assert.equal(decoded('"amount":-12345678901234567890.123456789'), "-12345678901234567890.123456789");
  assert.equal(decoded('"amount":0.30000000000000004'), "0.30000000000000004");
  assert.equal(decoded('"amount":1.2345678901234567e3'), "1234.5678901234567");
  assert.equal(decoded('"amount":1e-3'), "0.001");
  assert.equal(decoded('"amount":1e400'), "value_not_finite amount");
  assert.equal(decoded('"price":0.30000000000000004'), "0.30000000000000004");
  assert.equal(decoded('"price":9007199254740993'), "9007199254740992");
  assert.equal(decoded('"price":1e400'), "value_not_finite price");
  assert.equal(decoded('"price":-0'), "0");
  assert.equal(decoded('"extra":{"a":0.30000000000000004}'), '{"a":0.30000000000000004}');
  assert.equal(decoded('"extra":[9007199254740993]'), "value_out_of_range extra");
  assert.equal(decoded('"extra":[1e400]'), "value_not_finite extra");
  assert.equal(decoded('"note":9007199254740993'), "value_wrong_type note");
  const ids = (id: string) => decoder.decodeRows(parseJsonRows(`[{"id":${id},"at":1}]`).rows).refused[0]?.code;
  assert.equal(ids("9007199254740991"), undefined);
  assert.equal(ids("9007199254740992"), "value_out_of_range");
  assert.equal(ids("9007199254740993"), "value_out_of_range");
  assert.equal(ids("-9223372036854775809"), "value_out_of_range");
  assert.equal(ids("1.0000000000000000001"), undefined);
});

test("brackets must match even in a row that is not read", () => {
  const large = "x".repeat(70_000);
  assert.equal(
    faultOf(() => parseJsonRows(`[{"b":[1},"a":"${large}"}]`)),
    "json_invalid 8",
  );
});

test("quotes and backslashes end strings of any length where they should", () => {
  for (const length of [1, 40, 47, 48, 49, 200]) {
    for (const tail of ['\\"', "\\", '\\\\"', '"\\', "\\\\".repeat(30)]) {
      const rows = [
        { a: ["z".repeat(length), tail, "],[{"].join("") },
        { b: "\\".repeat(length), c: '"'.repeat(length) },
      ];
      assert.deepEqual(parseJsonRows(JSON.stringify(rows)).rows, rows);
    }
  }
});

test("a number that is no row is just a number", () => {
  assert.deepEqual(parseJsonRows("[9007199254740993,1]").rows, [9007199254740992, 1]);
});

test("a row with exact numbers is written again as it came", () => {
  const text = '{"a":9007199254740993,"b":{"c":[1]}}';
  assert.equal(JSON.stringify(parseJsonRows(`[${text}]`).rows[0]), text);
});

test("well-formed text means what JSON.parse says it means", () => {
  const row = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()));
  const space = fc.constantFrom("", " ", "\n\t", "\r\n");
  fc.assert(
    fc.property(fc.array(row, { maxLength: 6 }), space, (rows, gap) => {
      const array = `${gap}[${gap}${rows.map((value) => JSON.stringify(value)).join(`${gap},${gap}`)}${gap}]${gap}`;
      assert.equal(JSON.stringify(parseJsonRows(array).rows), JSON.stringify(JSON.parse(array)));
      const lines = rows.map((value) => `${gap}${JSON.stringify(value)}`).join("\n");
      const objects = rows.filter((value) => typeof value === "object" && value !== null && !Array.isArray(value));
      if (objects.length === rows.length) assert.equal(JSON.stringify(parseJsonRows(lines).rows), JSON.stringify(rows));
    }),
    runs,
  );
});

test("any text is either read as JSON.parse reads it or refused", () => {
  const sign = fc.constantFrom(...'[]{},:"\\ 0129-.eE+truefalsn\n', "\u0000", "é", "\ud800");
  const start = fc.constantFrom("[", '[{"a":', '[{"a":1},', '["');
  fc.assert(
    fc.property(start, fc.array(sign, { maxLength: 12 }), fc.constantFrom("", "]", "}]", '"]'), (head, body, tail) => {
      const text = head + body.join("") + tail;
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        const position = Number(/^json_invalid (\d+)$/.exec(faultOf(() => parseJsonRows(text)))?.[1]);
        assert(position >= 0 && position <= text.length, text);
        return;
      }
      const { rows, unreadable } = parseJsonRows(text);
      if (unreadable.length === 0) assert.deepEqual(JSON.stringify(rows), JSON.stringify(expected));
    }),
    { numRuns: runs.numRuns * 5 },
  );
});

test("reading hostile names leaves every object as it was", () => {
  const text = '[{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":9007199254740993}]';
  const { rows } = parseJsonRows(text);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
  assert.equal(decoder.decodeRows(rows).refused[0]!.code, "field_forbidden_name");
});
