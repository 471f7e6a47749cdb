import assert from "node:assert/strict";
import { test } from "node:test";
import { MillpondError } from "../base/index.ts";
import { references, type TermsOf } from "../expression/index.ts";
import {
  boolean,
  enumeration,
  type Field,
  feedPolicy,
  float,
  instant,
  integer,
  json,
  optional,
  rule,
  type SeriesDeclaration,
  series,
  systemContracts,
  text,
} from "./index.ts";

const fields = { symbol: text({ max: 32 }), time: instant(), bid: float({ unit: "price" }), ask: float() };
const base = { fields, key: ["symbol"], time: "time" } as const;
const ticks = series("ticks", {
  ...base,
  rules: (t) => [
    rule("crossed", t.ask.gte(t.bid)),
    rule("jump", t.bid.change().abs().lt(0.05), { otherwise: "count", description: "no jumps" }),
  ],
  lateness: "5s",
  retention: { hot: "7d" },
});

const refusal = (declare: () => unknown): string => {
  try {
    declare();
  } catch (error) {
    assert(error instanceof MillpondError && error.code === "contract_invalid", String(error));
    return error.message;
  }
  return assert.fail("the declaration was accepted");
};

test("a declaration becomes a frozen contract with its defaults", () => {
  assert.deepEqual(ticks.layout, [
    { name: "symbol", type: "text", nullable: false },
    { name: "time", type: "instant", nullable: false },
    { name: "bid", type: "float", nullable: false },
    { name: "ask", type: "float", nullable: false },
  ]);
  assert.equal(ticks.lateness, 5_000_000);
  assert.equal(ticks.retention, 7 * 86_400_000_000);
  assert.deepEqual([ticks.identity, ticks.keepRaw, ticks.description], ["content", false, ""]);
  const frozen = (value: unknown): boolean =>
    typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
  assert(frozen(ticks));
  assert.equal(ticks.fields.symbol.maximumLength, 32);
  assert.equal(text().maximumLength, 1_000);
});

test("a rule says itself in words, and goes to quarantine unless told otherwise", () => {
  const [crossed, jump] = ticks.rules;
  assert.equal(crossed!.otherwise, "quarantine");
  assert.match(crossed!.description, /ask.*bid/);
  assert.deepEqual([jump!.otherwise, jump!.description], ["count", "no jumps"]);
});

const t = references(ticks.layout) as unknown as { readonly bid: never; readonly ask: never };
const broken: readonly (readonly [string, RegExp, () => unknown])[] = [
  ["name", /'Ticks' is not snake_case/, () => series("Ticks", base)],
  ["system name", /underscore/, () => series("_ticks", base)],
  ["long name", /not snake_case/, () => series("t".repeat(64), base)],
  ["forbidden name", /never accepted/, () => series("constructor", base)],
  ["no fields", /from 1 to 256 fields/, () => series("x", { ...base, fields: {} } as never)],
  ["field name", /'Bid' is not snake_case/, () => series("x", { ...base, fields: { ...fields, Bid: float() } })],
  ["proto field", /never accepted/, () => series("x", { ...base, fields: { ...fields, ["__proto__"]: float() } })],
  ["prototype field", /never accepted/, () => series("x", { ...base, fields: { ...fields, prototype: float() } })],
  ["system field", /underscore/, () => series("x", { ...base, fields: { ...fields, _position: float() } })],
  ["no key", /from 1 to 16/, () => series("x", { ...base, key: [] })],
  ["double key", /twice in the key/, () => series("x", { ...base, key: ["symbol", "symbol"] })],
  ["unknown key", /'toString' is not declared/, () => series("x", { ...base, key: ["toString" as never] })],
  ["float key", /may not be a float/, () => series("x", { ...base, key: ["bid"] })],
  ["time in key", /out of the key/, () => series("x", { ...base, key: ["symbol", "time"] })],
  ["unknown time", /'when' is not declared/, () => series("x", { ...base, time: "when" as never })],
  ["wrong time", /is a float, not an instant/, () => series("x", { ...base, time: "bid" })],
  ["optional time", /may not be optional/, () => series("x", nullableTime())],
  ["optional key", /may not be optional/, () => series("x", nullableKey())],
  ["identity", /identity is/, () => series("x", { ...base, identity: "row" as never })],
  ["lateness text", /not a duration/, () => series("x", { ...base, lateness: "soon" })],
  ["lateness", /lateness is not/, () => series("x", { ...base, lateness: -1 })],
  ["retention", /retention is not/, () => series("x", { ...base, retention: 0 })],
  ["double rule", /two rules are named 'a'/, () => series("x", { ...base, rules: (t) => [a(t), a(t)] })],
  ["32 rules", /at most 31 rules/, () => series("x", { ...base, rules: manyRules })],
  ["rule type", /is float, not boolean/, () => series("x", { ...base, rules: () => [rule("a", t.bid)] })],
  ["rule name", /'A b' is not snake_case/, () => rule("A b", t.bid)],
  ["rule outcome", /otherwise is one of/, () => rule("a", t.bid, { otherwise: "drop" as never })],
  ["foreign field", /mood/, () => series("x", { ...base, rules: () => [rule("a", foreign())] })],
  ["bounds", /min is greater/, () => float({ min: 2, max: 1 })],
  ["infinite bound", /not a finite/, () => float({ min: Number.NEGATIVE_INFINITY })],
  ["fractional bound", /whole numbers/, () => integer({ min: 0.5 })],
  ["length", /max is a whole number/, () => text({ max: 0 })],
  ["options", /stands twice/, () => enumeration(["a", "a"])],
  ["no options", /from 1 to 1,000/, () => enumeration([])],
  ["classification", /classification is none of/, () => boolean({ classification: "secret" as never })],
  ["personal data", /personalData is none of/, () => boolean({ personalData: "shoe size" as never })],
];
function a(terms: TermsOf<typeof fields>) {
  return rule("a", terms.bid.gt(0));
}
function manyRules(terms: TermsOf<typeof fields>) {
  return Array.from({ length: 32 }, (_, index) => rule(`r${index}`, terms.bid.gt(index)));
}
function foreign() {
  const { mood } = references([{ name: "mood", type: "boolean", nullable: false }]) as unknown as { mood: never };
  return mood;
}
function nullableTime() {
  return { ...base, fields: { ...fields, time: optional(instant()) } } as SeriesDeclaration<Record<string, Field>>;
}
function nullableKey() {
  return { ...base, fields: { ...fields, symbol: optional(text()) } } as SeriesDeclaration<Record<string, Field>>;
}

for (const [what, message, declare] of broken) {
  test(`a declaration is refused for its ${what}`, () => assert.match(refusal(declare), message));
}

test("31 rules are allowed", () => {
  assert.equal(series("x", { ...base, rules: (terms) => manyRules(terms).slice(1) }).rules.length, 31);
});

test("a feed policy is checked against its dataset", () => {
  const policy = feedPolicy({
    feed: "fxcm",
    dataset: ticks,
    rules: { crossed: "off" },
    lateness: "1m",
    normalise: (terms) => ({ symbol: terms.symbol.upper() }),
  });
  assert.equal(policy.lateness, 60_000_000);
  assert.equal(policy.dataset, "ticks");
  assert.deepEqual(Object.keys(policy.normalise ?? {}), ["symbol"]);
  assert(Object.isFrozen(policy) && Object.isFrozen(policy.normalise));
  assert.equal(feedPolicy({ feed: "import", dataset: ticks, lateness: null }).lateness, null);
  assert(!("lateness" in feedPolicy({ feed: "import", dataset: ticks })));

  const about = { feed: "f", dataset: ticks };
  assert.match(
    refusal(() => feedPolicy({ ...about, rules: { nope: "off" } })),
    /no rule 'nope'/,
  );
  assert.match(
    refusal(() => feedPolicy({ ...about, rules: { crossed: "drop" as never } })),
    /the outcome is one of/,
  );
  assert.match(
    refusal(() => feedPolicy({ ...about, normalise: (terms) => ({ symbol: terms.bid }) })),
    /is float, not text/,
  );
  assert.match(
    refusal(() => feedPolicy({ ...about, normalise: (terms) => ({ bid: terms.bid.previous() }) })),
    /previous/,
  );
  assert.match(
    refusal(() => feedPolicy({ ...about, normalise: () => ({ volume: t.bid }) as never })),
    /no field 'volume'/,
  );
});

test("Millpond's own datasets are declared like any other", () => {
  assert.deepEqual(
    systemContracts.map(({ name, key, time, identity }) => [name, key.join(), time, identity]),
    [
      ["_quarantine", "id", "received_at", "keyTime"],
      ["_raw", "id", "received_at", "keyTime"],
      ["_resolutions", "id", "resolved_at", "keyTime"],
      ["_contracts", "dataset,version", "declared_at", "keyTime"],
    ],
  );
  assert.equal(json().type, "json");
});
