import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { changeOf, commitOf, tradeCells, tradeContract, versionOf } from "../../../testing/view-conformance.ts";
import { packRun } from "./protocol.ts";
import { SeriesStore } from "./store.ts";

describe("the store", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "millpond-store-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("takes nothing between a timed commit that failed and the going back", async () => {
    const failed = Promise.withResolvers<void>();
    const options = { threads: 1, memoryLimit: "256MB", commitRows: 1_000_000, commitMs: 20, dictionaryTexts: 1_000 };
    const store = await SeriesStore.open(
      { file: join(folder, "series.duckdb"), ...options },
      { durable: () => {}, failed: () => failed.resolve() },
    );
    await store.serial(() => store.declare(versionOf(tradeContract)));
    const run = (position: number) => packRun([commitOf(position, [changeOf(tradeContract, tradeCells(5, position))])]);
    // Another transaction holds the row that every commit writes, so the timed one fails.
    const rival = await store.instance.connect();
    await rival.run("BEGIN");
    await rival.run("UPDATE millpond.view SET position = 77");
    await store.serial(() => store.apply(run(1)));
    // Steps come without a pause while the timer fires, as they do from a busy log.
    let next = 2;
    let ended = false;
    const busy = (async () => {
      while (!ended) {
        await store
          .serial(() => store.apply(run(next)))
          .then(
            () => (next += 1),
            () => {},
          );
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    })();
    await failed.promise;
    await rival.run("ROLLBACK");
    ended = true;
    await busy;
    await store.serial(() => store.flush());
    assert.equal(store.state.position, 0, "a position behind rows that were lost was made durable");
    await store.close();
  });
});
