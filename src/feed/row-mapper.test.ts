import assert from "node:assert/strict";
import { test } from "node:test";
import { batchOfCells, type Layout, rowsOf } from "../batch/index.ts";
import { rowMapper, tickFacts, tickMapper } from "./index.ts";

const target: Layout = [
  { name: "ask", type: "decimal", nullable: false },
  { name: "symbol", type: "text", nullable: false },
  { name: "bid_price", type: "float", nullable: true },
  { name: "source", type: "text", nullable: false },
  { name: "note", type: "text", nullable: true },
];
const facts = batchOfCells(tickFacts, [
  ["EURUSD", 1, 1.1, 1e-7, null, null, 6],
  ["EURUSD", 2, null, 1.25, null, null, 6],
]);

test("columns go by name, by declaration, or are constant; decimals are written out", () => {
  const mapper = tickMapper("quotes", target, { bid_price: "bid", source: { constant: "mt5" } });
  assert.equal(mapper.dataset, "quotes");
  assert.deepEqual(rowsOf(target, mapper.map(facts)), [
    { ask: "0.0000001", symbol: "EURUSD", bid_price: 1.1, source: "mt5", note: null },
    { ask: "1.25", symbol: "EURUSD", bid_price: null, source: "mt5", note: null },
  ]);
});

test("a declaration that cannot be kept is refused at once", () => {
  const wrong: Record<string, string>[] = [{ nothing: "bid" }, { bid_price: "nothing" }, { bid_price: "symbol" }];
  for (const columns of wrong)
    assert.throws(() => rowMapper("quotes", target, tickFacts, columns), { code: "feed_columns_invalid" });
});
