import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Layout, rowsOf } from "../src/batch/index.ts";
import { columnsOf, jsonOf } from "./columns.ts";

const layout: Layout = [
  { name: "name", type: "text", nullable: true },
  { name: "at", type: "instant", nullable: false },
  { name: "on", type: "boolean", nullable: false },
  { name: "more", type: "json", nullable: true },
];
const row = { name: "a", at: 1_000, on: true, more: '{"x":1}' };

describe("rows as columns", () => {
  it("hold what fits, with instants as text or microseconds and absent fields as null", () => {
    const batch = columnsOf(layout, [row, { at: "1970-01-01T00:00:00.002Z", on: false, name: null }]);
    assert.deepEqual(rowsOf(layout, batch!), [row, { name: null, at: 2_000, on: false, more: null }]);
  });

  it("are not made of rows that do not fit: those are for the gate to judge as they are", () => {
    const misfits = [{ name: 5 }, { at: true }, { at: "soon" }, { on: 1 }, { on: "true" }, { more: {} }, { extra: 1 }];
    for (const misfit of misfits) assert.equal(columnsOf(layout, [row, { ...row, ...misfit }]), undefined);
    assert.equal(columnsOf(layout, [[] as never]), undefined);
    const hostile = JSON.parse('{"__proto__":{"name":"x"},"at":1,"on":true}') as object;
    assert.equal(columnsOf(layout, [hostile as never]), undefined);
  });

  it("turn to JSON with nothing silently lost", () => {
    const text = jsonOf(layout, [
      { ...row, at: Number.NaN },
      { ...row, more: "not json" },
    ]);
    assert.deepEqual(JSON.parse(text), [
      { ...row, at: "NaN", more: { x: 1 } },
      { ...row, more: "not json" },
    ]);
  });
});
