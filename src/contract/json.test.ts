import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MillpondError } from "../base/index.ts";
import {
  boolean,
  type ContractJson,
  contractFingerprint,
  contractFromJson,
  contractText,
  contractToJson,
  decimal,
  duration,
  enumeration,
  type Field,
  float,
  instant,
  integer,
  json,
  jsonSchema,
  optional,
  quarantineContract,
  rule,
  series,
  systemContracts,
  text,
} from "./index.ts";

const runs = { numRuns: Number(process.env.MILLPOND_RUNS ?? 100) };

const ticks = series("ticks", {
  description: "Quotes",
  fields: {
    time: instant(),
    symbol: text({ max: 32 }),
    bid: float({ unit: "price", min: -0 }),
    ask: optional(float()),
  },
  key: ["symbol"],
  time: "time",
  rules: (t) => [rule("crossed", t.ask.gte(t.bid), { otherwise: "refuse" })],
  lateness: "5s",
});

test("a contract survives its JSON form, fields in their order", () => {
  for (const contract of [ticks, ...systemContracts]) {
    assert.deepEqual(contractFromJson(contractText(contract)), contract);
    assert.deepEqual(contractFromJson(JSON.parse(JSON.stringify(contractToJson(contract)))), contract);
    assert.deepEqual(Object.keys(contractFromJson(contractText(contract)).fields), Object.keys(contract.fields));
  }
  assert(Object.isFrozen(contractFromJson(contractText(ticks)).rules[0]));
});

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ max: fc.integer({ min: 1, max: 5_000 }), description: fc.string() }).map(text),
  fc
    .record({ min: fc.double({ noNaN: true, min: -9, max: 0 }), max: fc.double({ noNaN: true, min: 0, max: 9 }) })
    .map(float),
  fc.constantFrom(integer({ min: 1 }), boolean(), duration({ unit: "us" }), json(), instant(), enumeration(["b", "a"])),
  fc.integer({ min: 0, max: 38 }).map((scale) => decimal({ scale })),
);
const declared = fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/), field, { maxKeys: 8 }).map((fields) =>
  series("some", {
    fields: { k: text(), t: instant(), ...fields, key: text(), at: instant() },
    key: ["key"],
    time: "at",
  }),
);

test("fingerprints are equal exactly where contracts are", () => {
  fc.assert(
    fc.property(declared, declared, (left, right) => {
      const back = contractFromJson(contractText(left));
      assert.equal(contractText(back), contractText(left));
      assert.equal(contractFingerprint(back), contractFingerprint(left));
      const equal = contractText(left) === contractText(right);
      assert.equal(contractFingerprint(left) === contractFingerprint(right), equal);
    }),
    runs,
  );
  assert.match(contractFingerprint(ticks), /^[0-9a-f]{64}$/);
});

const form = contractToJson(ticks);
const hostile: readonly unknown[] = [
  undefined,
  null,
  7,
  "",
  "{",
  [],
  {},
  { ...form, kind: "records" },
  { ...form, extra: 1 },
  { ...form, name: "Ticks" },
  { ...form, name: "__proto__" },
  { ...form, fields: {} },
  { ...form, fields: [...form.fields, form.fields[0]] },
  { ...form, fields: form.fields.map((entry) => ({ ...entry, type: "blob" })) },
  { ...form, fields: [...form.fields, { ...form.fields[2], name: "__proto__" }] },
  { ...form, fields: [...form.fields, { ...form.fields[2], name: "constructor" }] },
  { ...form, fields: [...form.fields, { ...form.fields[2], name: "extra", personalData: "shoe size" }] },
  { ...form, key: [] },
  { ...form, key: ["toString"] },
  { ...form, lateness: 1.5 },
  { ...form, lateness: -1 },
  { ...form, rules: [{ ...form.rules[0], holds: { op: "eval" } }] },
  { ...form, rules: [{ ...form.rules[0], holds: nested() }] },
  { ...form, rules: Array.from({ length: 32 }, () => form.rules[0]) },
];
function nested(): unknown {
  let expression: unknown = { op: "field", name: "bid" };
  for (let level = 0; level < 100_000; level++) expression = { op: "call", function: "not", arguments: [expression] };
  return expression;
}

hostile.forEach((given, index) => {
  test(`what is not a contract is refused (${index})`, () => {
    assert.throws(
      () => contractFromJson(given),
      (error) => error instanceof MillpondError && error.code === "contract_invalid",
    );
  });
});

test("the JSON Schema says type, unit, classification and what may be left out", () => {
  const plain = (direction: "input" | "output") =>
    JSON.parse(JSON.stringify(jsonSchema(ticks, direction))) as {
      readonly required: string[];
      readonly additionalProperties: boolean;
      readonly description: string;
      readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    };
  const input = plain("input");
  const output = plain("output");
  assert.deepEqual(input.required, ["time", "symbol", "bid"]);
  assert.deepEqual(output.required, ["time", "symbol", "bid", "ask"]);
  assert.deepEqual([input.additionalProperties, input.description], [false, "Quotes"]);
  assert.deepEqual(input.properties.bid, {
    type: "number",
    minimum: 0,
    "x-unit": "price",
    "x-type": "float",
    "x-classification": "internal",
  });
  assert.equal(output.properties.time!.format, "date-time");
  assert.equal((input.properties.time!.anyOf as unknown[]).length, 2);
  assert.deepEqual(
    (output.properties.ask!.anyOf as { type: string }[]).map(({ type }) => type),
    ["number", "null"],
  );
  const quarantine = JSON.stringify(jsonSchema(quarantineContract, "output"));
  assert.match(quarantine, /"x-classification":"restricted"/);
  assert.match(quarantine, /"enum":\["quarantined","late","refused","duplicate"\]/);
});

test("the JSON form of a contract has no members beyond its schema", () => {
  const names = Object.keys(form) as (keyof ContractJson)[];
  assert(!names.includes("layout" as never));
  assert.equal(names.length, 11);
});
