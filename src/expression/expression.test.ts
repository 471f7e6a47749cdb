import assert from "node:assert/strict";
import { test } from "node:test";
import { MillpondError } from "../base/index.ts";
import type { Layout } from "../batch/index.ts";
import {
  checkAggregate,
  checkExpression,
  count,
  describe,
  describeAggregate,
  type Expression,
  evaluate,
  expressionFromJson,
  formatExpression,
  greatest,
  inputs,
  inputsOfAggregate,
  least,
  literal,
  mean,
  parseExpression,
  previousInputs,
  references,
  weightedMean,
  when,
} from "./index.ts";

const layout = [
  { name: "symbol", type: "text", nullable: false },
  { name: "bid", type: "float", nullable: false },
  { name: "ask", type: "float", nullable: true },
  { name: "volume", type: "integer", nullable: false },
  { name: "time", type: "instant", nullable: false },
  { name: "amount", type: "decimal", nullable: true },
  { name: "open", type: "boolean", nullable: false },
] as const satisfies Layout;

type Fields = { [Field in (typeof layout)[number] as Field["name"]]: Field };
const t = references<Fields>(layout);

const refusedAs =
  (code: string, message?: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof MillpondError, String(error));
    assert.equal(error.code, code);
    if (message) assert.match(error.message, message);
    return true;
  };

test("the builder makes the same trees as the text form", () => {
  const pairs: readonly (readonly [{ expression: Expression }, string])[] = [
    [t.ask.gte(t.bid), "ask >= bid"],
    [t.bid.change().abs().lt(0.05), "abs(change(bid)) < 0.05"],
    [t.bid.plus(t.ask).dividedBy(2).round(3), "round((bid + ask) / 2, 3)"],
    [t.time.elapsed().lte("5s").and(t.open), "elapsed(time) <= 5s and open"],
    [t.time.plus("1m30s").gt("2026-01-31T00:00:00Z"), "time + interval '1m30s' > '2026-01-31'"],
    [t.time.truncate("1m").eq(t.time), "truncate(time, 1m) = time"],
    [t.symbol.in(["EURUSD", "O'Neil"]).not(), "symbol not in ('EURUSD', 'O''Neil')"],
    [
      t.symbol.lower().before(".").concat("-", t.symbol).startsWith("eur"),
      "starts_with(concat(before(lower(symbol), '.'), '-', symbol), 'eur')",
    ],
    [t.amount.between("0.50", 10), "amount between 0.50 and 10"],
    [t.ask.isNotNull().or(t.volume.remainder(2).eq(0)), "ask is not null or volume % 2 == 0"],
    [
      when(t.open, t.bid, t.ask.coalesce(0)).gt(greatest(t.bid, 1)),
      "if(open, bid, coalesce(ask, 0)) > greatest(bid, 1)",
    ],
    [least(t.symbol, "z").ne(literal("a")), "least(symbol, 'z') != 'a'"],
    [t.bid.negate().times(-3).floor(), "FLOOR(-bid * -3)"],
    [t.ask.eq(null), "ask = null"],
  ];
  for (const [built, text] of pairs) assert.deepEqual(parseExpression(text, layout), built.expression, text);
});

test("a method that does not fit the type of a field does not compile, and throws", () => {
  // @ts-expect-error text has no abs
  assert.throws(() => t.symbol.abs(), refusedAs("expression_type", /abs\(symbol\).*not text/));
  // @ts-expect-error a float is not compared with text
  assert.throws(() => t.bid.gt("high"), refusedAs("expression_type"));
  // @ts-expect-error decimals take no arithmetic
  assert.throws(() => t.amount.plus(1), refusedAs("expression_type", /exact/));
  // @ts-expect-error booleans have no order
  assert.throws(() => t.open.lt(true), refusedAs("expression_type", /no order/));
  assert.throws(() => references(layout).symbol!.abs(), refusedAs("expression_type"));
  assert.throws(() => t.bid.previous().previous(), refusedAs("expression_type", /one step back/));
});

test("reading faults names the place, what was found and what was expected", () => {
  const faults: readonly (readonly [string, string, RegExp])[] = [
    ["bid > ", "expression_invalid", /line 1, column 7: found the end, expected a field or a value/],
    ["bid >\n  > ask", "expression_invalid", /line 2, column 3: found '>'/],
    ["bid > 1 ask", "expression_invalid", /column 9: found 'ask', expected an operator or the end/],
    ["symbol = 'EUR", "expression_invalid", /never closed/],
    ["sine(bid) > 1", "expression_invalid", /unknown function 'sine'/],
    ["time > 'yesterday'", "expression_invalid", /column 8: found 'yesterday', expected instant/],
    ["amount > 1e5", "expression_invalid", /expected decimal/],
    ["bid # ask", "expression_invalid", /column 5/],
    ["bid > 1e999", "expression_invalid", /too large/],
    ["symbol in ()", "expression_invalid", /expected/],
    ["", "expression_invalid", /the end/],
    ["bid + symbol > 1", "expression_type", /line 1, column 1 \('bid \+ symbol'\): cannot add float and text/],
    ["bidd > 1", "expression_type", /no field 'bidd'; there are: symbol, bid/],
    ["round(bid, volume)", "expression_type", /written out/],
    ["truncate(time, 0s)", "expression_type", /greater than zero/],
    ["previous(change(bid))", "expression_type", /one row back/],
    ["bid and open", "expression_type", /joins booleans/],
  ];
  for (const [text, code, message] of faults) {
    assert.throws(() => parseExpression(text, layout), refusedAs(code, message), text);
  }
  try {
    parseExpression("open and\nbid >> 1", layout);
    assert.fail();
  } catch (error) {
    assert.ok(error instanceof MillpondError);
    assert.equal(error.details.excerpt, "bid >> 1\n     ^");
    assert.equal(error.details.offset, 14);
  }
});

test("what is too large is refused before it can exhaust anything", () => {
  const large = refusedAs("expression_too_large");
  assert.throws(() => parseExpression(`bid > 1${" ".repeat(10_000)}`, layout), large);
  assert.throws(() => parseExpression("(".repeat(5_000), layout), large);
  assert.throws(() => parseExpression("not ".repeat(2_000), layout), large);
  assert.throws(() => parseExpression("-".repeat(9_000), layout), large);
  assert.throws(() => parseExpression(`bid${" + 1".repeat(64)}`, layout), large);
  assert.throws(() => parseExpression(`volume in (${"1, ".repeat(1_000)} 1)`, layout), large);
  assert.equal(inputs(parseExpression(`volume in (${"1, ".repeat(900)} 1)`, layout)).size, 1);
  let deep: Expression = { op: "field", name: "open" };
  for (let level = 0; level < 100_000; level++) deep = { op: "call", function: "not", arguments: [deep] };
  assert.throws(() => checkExpression(deep, layout), large);
  let wide: Expression = { op: "field", name: "bid" };
  for (let level = 0; level < 60; level++) wide = { op: "add", left: wide, right: wide };
  assert.throws(() => checkExpression(wide, layout), large);
});

test("only plain trees pass as JSON", () => {
  const field = { op: "field", name: "open" };
  const faults: readonly (readonly [unknown, RegExp])[] = [
    [null, /at \$: found null/],
    ["open", /\$/],
    [[field], /\$/],
    [{ op: "eval", code: "1" }, /\$\.op/],
    [{ op: "constructor" }, /\$\.op/],
    [{ op: "__proto__" }, /\$\.op/],
    [{ ...field, extra: 1 }, /unknown key 'extra'/],
    [JSON.parse('{"op":"field","name":"open","__proto__":{}}'), /unknown key '__proto__'/],
    [{ op: "field" }, /key 'name'/],
    [{ op: "field", name: 3 }, /\$\.name/],
    [Object.assign(Object.create({ inherited: true }), field), /unusual/],
    [
      {
        op: "field",
        get name() {
          return "open";
        },
      },
      /computed/,
    ],
    [{ op: "and", terms: [] }, /\$\.terms/],
    [{ op: "and", terms: { length: 1, 0: field } }, /\$\.terms/],
    [{ op: "and", terms: [field, { op: "or", terms: [1] }] }, /\$\.terms\[1\]\.terms\[0\]/],
    [{ op: "call", function: "toString", arguments: [] }, /\$\.function/],
    [{ op: "literal", type: "regexp", value: "a" }, /\$\.type/],
    [{ op: "literal", type: "json", value: {} }, /\$\.value/],
  ];
  for (const [tree, message] of faults) {
    assert.throws(() => checkExpression(tree, layout), refusedAs("expression_invalid", message), JSON.stringify(tree));
  }
  const literals: readonly (readonly [string, unknown])[] = [
    ["integer", 0.5],
    ["integer", 2 ** 53],
    ["float", "1"],
    ["boolean", 1],
    ["text", "a\u0000b"],
    ["text", "\ud800"],
    ["decimal", "1.0"],
    ["decimal", "-0"],
    ["json", "{"],
    ["instant", "2026-01-01"],
  ];
  for (const [type, value] of literals) {
    const tree = { op: "call", function: "isNull", arguments: [{ op: "literal", type, value }] };
    assert.throws(() => checkExpression(tree, layout), refusedAs("expression_type"), `${type} ${String(value)}`);
  }
});

test("a tree read from JSON no longer follows what it was read from", () => {
  const given = {
    op: "eq",
    left: { op: "field", name: "open" },
    right: { op: "literal", type: "boolean", value: true },
  };
  const read = expressionFromJson(given, layout);
  given.left.name = "bid";
  assert.equal(formatExpression(read), "open = true");
});

test("types and nullability", () => {
  const typeOf = (text: string): string => {
    const { type, nullable } = checkExpression(parseExpression(text, layout), layout);
    return nullable ? `${type}?` : type;
  };
  assert.equal(typeOf("volume + 1"), "integer");
  assert.equal(typeOf("volume * volume"), "integer?");
  assert.equal(typeOf("volume / 2"), "float");
  assert.equal(typeOf("bid + 1"), "float?");
  assert.equal(typeOf("bid / ask"), "float?");
  assert.equal(typeOf("time - time"), "duration");
  assert.equal(typeOf("time + 5s"), "instant");
  assert.equal(typeOf("elapsed(time)"), "duration?");
  assert.equal(typeOf("coalesce(ask, bid)"), "float");
  assert.equal(typeOf("ask is null"), "boolean");
  assert.equal(typeOf("if(open, 1, 0.5)"), "float");
  assert.throws(
    () => checkExpression(t.bid.change().expression, layout, { allowPrevious: false }),
    refusedAs("expression_type", /one before it/),
  );
});

test("three-valued logic, and numbers that run over are null", () => {
  const row = { symbol: "a", bid: 1e308, ask: null, volume: 7, time: 90, amount: "-1.5", open: true };
  const of = (text: string) => evaluate(parseExpression(text, layout), layout, row, { bid: 1 });
  assert.equal(of("ask > 1 or open"), true);
  assert.equal(of("ask > 1 and open"), null);
  assert.equal(of("ask > 1 and not open"), false);
  assert.equal(of("volume in (1, null)"), null);
  assert.equal(of("volume not in (7, null)"), false);
  assert.equal(of("bid * 10"), null);
  assert.equal(of("1 / (bid * 10)"), null);
  assert.equal(of("(bid * 10) is null"), true);
  assert.equal(of("volume / 0"), null);
  assert.equal(of("-volume % 4"), -3);
  assert.equal(of("round(-2.5)"), -3);
  assert.equal(of("round(0.49999999999999994)"), 0);
  assert.equal(Object.is(of("round(-0.4)"), 0), true);
  assert.equal(of("amount < -1.45"), true);
  assert.equal(of("truncate(time - 100us, 60us)"), -60);
  assert.equal(of("previous(bid)"), 1);
  assert.equal(of("previous(volume)"), null);
  assert.equal(of("'\uffee' < '🦆'"), true);
  assert.equal(of("length('🦆é')"), 2);
  assert.equal(of("lower('ÀB')"), "Àb");
});

test("inputs name exactly the fields that are read", () => {
  const expression = parseExpression("change(bid) > 1 or symbol = 'ask'", layout);
  assert.deepEqual([...inputs(expression)], ["bid", "symbol"]);
  assert.deepEqual([...previousInputs(expression)], ["bid"]);
  assert.deepEqual([...inputsOfAggregate(weightedMean(t.bid, t.volume))], ["bid", "volume"]);
});

test("expressions are said in plain English", () => {
  const say = (text: string): string => describe(parseExpression(text, layout));
  assert.equal(say("ask >= bid"), "ask is at least bid");
  assert.equal(say("abs(change(bid)) < 0.05"), "the absolute change of bid is less than 0.05");
  assert.equal(say("not (bid > 1) and (open or ask is not null)"), "bid is at most 1 and (open or ask is present)");
  assert.equal(say("symbol not in ('A', 'B')"), "symbol is none of 'A', 'B'");
  assert.equal(describeAggregate(weightedMean(t.bid, t.volume)), "the mean of bid weighted by volume");
  assert.equal(describeAggregate(count()), "the number of rows");
});

test("aggregates are checked", () => {
  assert.deepEqual(checkAggregate(count(), layout), { type: "integer", nullable: false });
  assert.deepEqual(checkAggregate(mean(t.volume), layout), { type: "float", nullable: true });
  assert.throws(
    () => checkAggregate({ function: "sum", input: t.symbol.expression }, layout),
    refusedAs("expression_type"),
  );
  assert.throws(() => checkAggregate({ function: "sum" }, layout), refusedAs("expression_type", /missing/));
  assert.throws(
    () => checkAggregate({ function: "weightedMean", input: t.bid.expression }, layout),
    refusedAs("expression_type"),
  );
  assert.throws(
    () => checkAggregate({ function: "median", input: t.bid.expression }, layout),
    refusedAs("expression_invalid"),
  );
  assert.throws(() => checkAggregate({ function: "count", filter: 1 }, layout), refusedAs("expression_invalid"));
  assert.throws(() => checkAggregate(mean(t.bid.change()), layout), refusedAs("expression_type"));
});
