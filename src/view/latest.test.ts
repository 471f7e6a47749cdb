import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  changeOf,
  commitOf,
  grownContract,
  tradeCells,
  tradeContract,
  versionOf,
} from "../../testing/view-conformance.ts";
import { rowsOf, type Value } from "../batch/index.ts";
import { type Contract, float, instant, integer, series, text } from "../contract/index.ts";
import type { Commit } from "../log/index.ts";
import { createLatest } from "./index.ts";

const single = series("ticks", {
  fields: { symbol: text(), time: instant(), bid: float() },
  key: ["symbol"],
  time: "time",
});
const composite = series("levels", {
  fields: { time: instant(), venue: text(), level: integer(), bid: float() },
  key: ["venue", "level"],
  time: "time",
});
const contracts = [versionOf(single), versionOf(composite), versionOf(tradeContract), versionOf(grownContract, 2)];
const contract = (dataset: string, version?: number) =>
  contracts.findLast(
    (known) => known.contract.name === dataset && (version === undefined || known.version === version),
  );

/** The newest row per key: later in the log wins unless its event time is older. */
function expectedOf(of: Contract, run: readonly Commit[]) {
  const newest = new Map<string, { row: Record<string, Value>; position: number; place: number }>();
  for (const { position, changes } of run) {
    const rows = changes.flatMap(({ batch }) => rowsOf(of.layout, batch));
    rows.forEach((row, place) => {
      const key = JSON.stringify(of.key.map((name) => row[name]));
      const before = newest.get(key);
      if (!before || (row[of.time] as number) >= (before.row[of.time] as number))
        newest.set(key, { row, position, place });
    });
  }
  return newest;
}

const cellsOf = (of: Contract) =>
  of === single
    ? fc.tuple(fc.constantFrom("A", "B", "C", "D"), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 99 }))
    : fc.tuple(fc.integer({ min: 0, max: 9 }), fc.constantFrom("X", "Y"), fc.integer({ min: 0, max: 2 }), fc.integer());

describe("latest", () => {
  for (const dataset of [single, composite]) {
    it(`holds the newest row of each key (${dataset.key.join(", ")}), however runs are cut, saved and loaded`, () => {
      const change = fc.array(cellsOf(dataset) as fc.Arbitrary<Value[]>, { maxLength: 8 });
      const commits = fc.array(fc.array(change, { maxLength: 2 }), { maxLength: 12 });
      fc.assert(
        fc.property(commits, fc.nat(12), fc.integer({ min: 1, max: 3 }), (given, cut, batches) => {
          const run = given.map((changes, index) =>
            commitOf(
              index + 1,
              changes.map((cells) => changeOf(dataset, cells)),
            ),
          );
          const first = createLatest({ contract, batches });
          first.apply(run.slice(0, cut));
          const latest = createLatest({ contract, batches });
          latest.load(structuredClone(first.save()));
          for (const commit of run.slice(cut)) {
            latest.apply([commit]);
            for (const [key] of expectedOf(dataset, run)) latest.get(dataset.name, JSON.parse(key));
          }
          const expected = expectedOf(dataset, run);
          assert.equal(latest.keys(dataset.name), expected.size);
          for (const [key, row] of expected) assert.deepEqual(latest.get(dataset.name, JSON.parse(key)), row);
          const all = rowsOf(dataset.layout, latest.all(dataset.name)).map((row) => JSON.stringify(row));
          assert.deepEqual(all.sort(), [...expected.values()].map(({ row }) => JSON.stringify(row)).sort());
        }),
      );
    });
  }

  it("knows no key it was never given, no dataset of its own accord and nothing after a reset", () => {
    const latest = createLatest({ contract });
    assert.equal(latest.get("ticks", ["A"]), undefined);
    latest.apply([commitOf(1, [changeOf(single, [["A", 1, 1]])])]);
    assert.equal(latest.get("ticks", ["B"]), undefined);
    latest.reset();
    assert.deepEqual([latest.keys("ticks"), latest.all("ticks").count], [0, 0]);
  });

  it("gives a row in the layout it came in, all rows in the newest", () => {
    const latest = createLatest({ contract });
    latest.apply([commitOf(1, [changeOf(tradeContract, tradeCells(1))])]);
    const grown = tradeCells(2)
      .slice(1)
      .map((cells) => [...cells, "NYSE"]);
    latest.apply([commitOf(2, [changeOf(grownContract, grown, 2)])]);
    assert.equal(Object.keys(latest.get("trades", ["S0"])!.row).includes("venue"), false);
    const venues = rowsOf(grownContract.layout, latest.all("trades")).map(({ venue }) => venue);
    assert.deepEqual(venues, [null, "NYSE"]);
  });

  it("does not hold on to the batches of keys that went quiet", () => {
    const latest = createLatest({ contract, batches: 2 });
    const change = changeOf(single, [["quiet", 1, 1]]);
    latest.apply([commitOf(1, [change])]);
    for (let position = 2; position < 6; position++) {
      latest.apply([commitOf(position, [changeOf(single, [["busy", position, position]])])]);
    }
    // What is copied out no longer changes with the batch it came from.
    (change.batch.columns[2] as { values: Float64Array }).values[0] = 99;
    assert.equal(latest.get("ticks", ["quiet"])!.row.bid, 1);
  });
});
