import assert from "node:assert/strict";
import { test } from "node:test";
import { rowText } from "./rows.ts";

test("no stored text can speak to the terminal out of a row on one line", () => {
  const text = rowText({ symbol: "\u001b[2JEVIL\r\n", note: { deep: "\u202e" }, none: null });
  assert.equal(text, 'symbol=\\u{1b}[2JEVIL\\u{d}\\u{a} note={"deep":"\\u{202e}"}');
});
