import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, printable, table } from "./output.ts";

test("a table is as wide as its widest cells, with numbers to the right", () => {
  const text = table(
    [
      { symbol: "EURUSD", rows: 1234567 },
      { symbol: "X", rows: 8 },
    ],
    [
      { title: "symbol", value: ({ symbol }) => symbol },
      { title: "rows", value: ({ rows }) => rows, right: true },
    ],
  );
  assert.equal(text, ["symbol       rows", "──────  ─────────", "EURUSD  1,234,567", "X               8"].join("\n"));
  assert.equal(table([], [{ title: "x", value: () => 1 }], "no rows yet"), "no rows yet");
});

test("stored text cannot steer the terminal", () => {
  assert.equal(printable("a\u001b[31mb\r\n\u202e"), "a\\u{1b}[31mb\\u{d}\\u{a}\\u{202e}");
  assert.ok(!facts([["name", "\u0007bell"]]).includes("\u0007"));
});
