/**
 * What every view must do, as a suite on the promise `View`. A view's own test calls `viewConformance` with a way to
 * open it on fresh ground; the samples here are also what its other tests feed it with.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { batchOfCells, encodeBatch, type Layout, rowsOf, type Value } from "../src/batch/index.ts";
import {
  boolean,
  type Contract,
  type ContractVersion,
  decimal,
  enumeration,
  float,
  instant,
  integer,
  json,
  optional,
  series,
  text,
} from "../src/contract/index.ts";
import type { Change, Commit } from "../src/log/index.ts";
import type { View } from "../src/view/index.ts";
import { rejectsWith } from "./log-conformance.ts";

/** A view on fresh ground. */
export interface ViewHarness {
  readonly view: View;
  /** Closes the view and opens it again on the same ground. */
  reopen(): Promise<View>;
  /** Closes whatever is open and cleans up. */
  dispose(): Promise<void>;
}

/** One field of every type, nullable ones among them. */
export const tradeContract = series("trades", {
  fields: {
    symbol: text({ max: 32 }),
    time: instant(),
    price: optional(float()),
    size: optional(integer()),
    side: optional(enumeration(["buy", "sell"])),
    note: optional(text()),
    flag: optional(boolean()),
    amount: optional(decimal()),
    extra: optional(json()),
  },
  key: ["symbol"],
  time: "time",
});

export const grownContract: Contract = series("trades", {
  fields: { ...tradeContract.fields, venue: optional(text()) },
  key: ["symbol"],
  time: "time",
});

export const versionOf = (contract: Contract, version = 1): ContractVersion => ({ version, contract });

export function changeOf(contract: Contract, cells: readonly (readonly Value[])[], version = 1): Change {
  const batch = batchOfCells(contract.layout, cells);
  return { dataset: contract.name, contract: version, operation: "append", batch, bytes: encodeBatch(batch) };
}

/** Commits as a log would give them, without a real chain: the hash is made of the position. */
export function commitOf(position: number, changes: readonly Change[]): Commit {
  const hash = (of: number): Uint8Array => new Uint8Array(32).fill(of % 251);
  const cause = { kind: "contract", dataset: "none", version: 1 } as const;
  return {
    position,
    at: position,
    actor: "system",
    cause,
    changes,
    previous: hash(position - 1),
    hash: hash(position),
  };
}

export function tradeCells(count: number, seed = 0): Value[][] {
  return Array.from({ length: count }, (_, index) => {
    const number = seed * 1000 + index;
    return [
      `S${number % 5}`,
      1_700_000_000_000_000 + number * 250_000 - (number % 7) * 1_000_000,
      number % 6 === 5 ? null : 1 + (number % 32) / 8,
      number % 9 === 8 ? null : (number % 3 === 0 ? -1 : 1) * (2 ** 40 + number),
      number % 4 === 3 ? null : number % 2 === 0 ? "buy" : "sell",
      number % 5 === 4 ? null : number % 2 === 0 ? "short" : `a longer note, number ${number} – “quoted”`,
      number % 7 === 6 ? null : number % 2 === 0,
      number % 8 === 7 ? null : `${number % 2 === 0 ? "" : "-"}12345678901234567890.${(number % 9) + 1}`,
      number % 3 === 2 ? null : JSON.stringify({ number }),
    ];
  });
}

export async function scanned(view: View, dataset: string, layout: Layout, through?: number) {
  const rows: Record<string, Value>[] = [];
  for await (const batch of view.scan(dataset, through)) rows.push(...rowsOf(layout, batch));
  return rows;
}

const rowsOfCells = (contract: Contract, cells: readonly (readonly Value[])[]) =>
  rowsOf(contract.layout, batchOfCells(contract.layout, cells));

export function viewConformance(name: string, open: () => Promise<ViewHarness>): void {
  describe(`view conformance: ${name}`, () => {
    let harness: ViewHarness;
    let view: View;
    const { layout } = tradeContract;

    beforeEach(async () => {
      harness = await open();
      view = harness.view;
      await view.declare(versionOf(tradeContract));
    });
    afterEach(() => harness.dispose());

    it("starts at 0 with nothing", async () => {
      assert.deepEqual([view.position, view.durablePosition, view.durableHash], [0, 0, ""]);
      assert.deepEqual(await scanned(view, "trades", layout), []);
    });

    it("holds every cell exactly, in log order, through chunk borders", async () => {
      const sizes = [1, 2047, 1, 3000, 5];
      const cells = sizes.map((size, index) => tradeCells(size, index));
      const run = cells.map((rows, index) => commitOf(index + 1, [changeOf(tradeContract, rows)]));
      await view.apply(run.slice(0, 2));
      await view.apply(run.slice(2));
      assert.equal(view.position, 5);
      await view.flush();
      assert.equal(view.durablePosition, 5);
      assert.deepEqual(await scanned(view, "trades", layout), rowsOfCells(tradeContract, cells.flat()));
    });

    it("takes commits without rows", async () => {
      await view.apply([commitOf(1, []), commitOf(2, [changeOf(tradeContract, [])]), commitOf(3, [])]);
      await view.flush();
      assert.equal(view.durablePosition, 3);
      assert.deepEqual(await scanned(view, "trades", layout), []);
    });

    it("refuses a run that does not start right behind", async () => {
      await view.apply([commitOf(1, [changeOf(tradeContract, tradeCells(2))])]);
      for (const run of [[commitOf(1, [])], [commitOf(3, [])], [commitOf(2, []), commitOf(4, [])]]) {
        await assert.rejects(view.apply(run), rejectsWith("view_gap"));
      }
      await view.apply([commitOf(2, [])]);
      await view.flush();
      assert.equal((await scanned(view, "trades", layout)).length, 2);
    });

    it("stands where it was after opening again, and goes on", async () => {
      await view.apply([commitOf(1, [changeOf(tradeContract, tradeCells(10))])]);
      await view.flush();
      const hash = view.durableHash;
      assert.equal(hash, "01".repeat(32));
      view = await harness.reopen();
      assert.deepEqual([view.position, view.durablePosition, view.durableHash], [1, 1, hash]);
      await view.declare(versionOf(tradeContract));
      await view.apply([commitOf(2, [changeOf(tradeContract, tradeCells(10, 1))])]);
      await view.flush();
      const expected = rowsOfCells(tradeContract, [...tradeCells(10), ...tradeCells(10, 1)]);
      assert.deepEqual(await scanned(view, "trades", layout), expected);
    });

    it("makes durable what was applied when it closes", async () => {
      await view.apply([commitOf(1, [changeOf(tradeContract, tradeCells(3))])]);
      view = await harness.reopen();
      assert.equal(view.durablePosition, 1);
      assert.equal((await scanned(view, "trades", layout)).length, 3);
    });

    it("scans up to a position", async () => {
      await view.apply([1, 2, 3].map((at) => commitOf(at, [changeOf(tradeContract, tradeCells(4, at))])));
      await view.flush();
      const expected = rowsOfCells(tradeContract, [...tradeCells(4, 1), ...tradeCells(4, 2)]);
      assert.deepEqual(await scanned(view, "trades", layout, 2), expected);
    });

    it("gives null for fields that older rows did not have", async () => {
      await view.apply([commitOf(1, [changeOf(tradeContract, tradeCells(2))])]);
      await view.declare(versionOf(grownContract, 2));
      const grown = tradeCells(2, 1).map((cells) => [...cells, "NYSE"]);
      const older = changeOf(tradeContract, tradeCells(1, 2));
      await view.apply([commitOf(2, [changeOf(grownContract, grown, 2), older])]);
      await view.flush();
      const venues = (await scanned(view, "trades", grownContract.layout)).map(({ venue }) => venue);
      assert.deepEqual(venues, [null, null, "NYSE", "NYSE", null]);
    });

    it("can be dropped and filled again to the same content", async () => {
      const run = [1, 2].map((at) => commitOf(at, [changeOf(tradeContract, tradeCells(50, at))]));
      await view.apply(run);
      await view.flush();
      const before = await scanned(view, "trades", layout);
      await view.apply([commitOf(3, [changeOf(tradeContract, tradeCells(5, 3))])]);
      await view.drop();
      assert.deepEqual([view.position, view.durablePosition, view.durableHash], [0, 0, ""]);
      await view.declare(versionOf(tradeContract));
      await view.apply(run);
      await view.flush();
      assert.deepEqual(await scanned(view, "trades", layout), before);
    });

    it("refuses work once closed", async () => {
      await view.close();
      await assert.rejects(view.apply([commitOf(1, [])]), rejectsWith("view_closed"));
      await assert.rejects(view.flush(), rejectsWith("view_closed"));
    });
  });
}
