import assert from "node:assert/strict";
import { test } from "node:test";
import type { Batch, Layout } from "../batch/index.ts";
import { rowsToJson } from "./wire-json.ts";

const layout: Layout = [{ name: "note", type: "text", nullable: false }];
const repeated = (text: string, count: number): Batch => ({
  count,
  columns: [{ kind: "text", dictionary: [text], indexes: new Uint32Array(count), nulls: null }],
});

test("a text that columns hold once does not become an answer of any size", () => {
  assert.equal(rowsToJson(layout, repeated("a", 2)), '[{"note":"a"},{"note":"a"}]');
  assert.throws(() => rowsToJson(layout, repeated("x".repeat(60_000), 100_000)), { code: "answer_too_large" });
});
