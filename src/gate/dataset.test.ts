import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../base/index.ts";
import { type Batch, batchOfCells, emptyBatch, type NumberColumn } from "../batch/index.ts";
import { float, instant, series, text } from "../contract/index.ts";
import type { PreviousRows } from "../expression/index.ts";
import { DatasetState } from "./dataset.ts";
import type { Rules } from "./rules.ts";

const ticks = series("ticks", {
  fields: { symbol: text(), time: instant(), bid: float() },
  key: ["symbol"],
  time: "time",
});
const POISON = 666;
const FIRST = 7;

/** Rules that throw at one value, as a bug in generated code would; another value may only come first of its key. */
const trapped = {
  compiled: {
    previousFields: [],
    bind: (batch: Batch, { present }: PreviousRows) => {
      const bids = batch.columns[2]! as NumberColumn;
      return (place: number, slot: number) => {
        if (bids.values[place] === POISON) throw new Error("trap");
        return bids.values[place] === FIRST ? present[slot]! : 0;
      };
    },
  },
  broken: () => [{ rule: { name: "first" }, otherwise: "quarantine" }],
} as unknown as Rules;

test("R-S07: a row that cannot be judged is refused by itself and leaves no trace in the state", () => {
  const state = new DatasetState({ version: 1, contract: ticks }, emptyBatch(ticks.layout), 0, 1_000);
  const judge = (rows: readonly (readonly [string, number, number])[]) => {
    const survey = state.survey(batchOfCells(ticks.layout, rows));
    const options = { rules: trapped, stored: undefined, lateness: 5, logger: silentLogger };
    return state.judge(survey, { ...options, sessionNewest: Number.NEGATIVE_INFINITY });
  };
  const rows = Array.from({ length: 100 }, (_, place) => ["A", place, 1] as const).map(
    ([key, time, bid]): [string, number, number] => [key, time, time === 40 || time === 99 ? POISON : bid],
  );
  // Of equal rows behind the poison the second is a duplicate: the parts know of each other, but not of failed tries.
  rows[59] = ["A", 58, 2];
  rows[60] = ["A", 58, 2];
  rows[10] = ["B", 10, FIRST];
  rows[41] = ["A", 30, 2];
  const judged = judge(rows);
  assert.deepEqual(
    judged.turnedAway.map(({ place, outcome, code }) => [place, outcome, code]),
    [
      [40, "refused", "row_unjudgeable"],
      [41, "late", "row_late"],
      [60, "duplicate", "row_duplicate"],
      [99, "refused", "row_unjudgeable"],
    ],
  );
  assert.equal(judged.sessionNewest, 98);
  assert.deepEqual(state.survey(batchOfCells(ticks.layout, [["A", 99, 1]])).candidates, []);
  assert.deepEqual(state.survey(batchOfCells(ticks.layout, [["A", 98, 1]])).candidates, [0]);
});
