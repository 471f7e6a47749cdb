import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { rejectsWith } from "../../../testing/log-conformance.ts";
import {
  changeOf,
  commitOf,
  scanned,
  tradeCells,
  tradeContract,
  versionOf,
  viewConformance,
} from "../../../testing/view-conformance.ts";
import { createEnvironment, silentLogger } from "../../base/index.ts";
import { batchOfCells, type Layout, rowsOf } from "../../batch/index.ts";
import { float, instant, series as seriesContract, text } from "../../contract/index.ts";
import { createLog } from "../../log/index.ts";
import { verifyView } from "../../view/index.ts";
import { createMemoryLog } from "../memory/index.ts";
import { type DuckdbSeries, type DuckdbSeriesOptions, dropDuckdbSeries, openDuckdbSeries } from "./index.ts";

let folder: string;
let file: string;
let open: DuckdbSeries[] = [];

async function openSeries(options: Partial<DuckdbSeriesOptions> = {}): Promise<DuckdbSeries> {
  const series = await openDuckdbSeries({ file, environment: { logger: silentLogger }, threads: 1, ...options });
  open.push(series);
  return series;
}
function freshFolder(): void {
  folder = mkdtempSync(join(tmpdir(), "millpond-duckdb-"));
  file = join(folder, "series.duckdb");
}
async function cleanUp(): Promise<void> {
  await Promise.all(open.map((series) => series.close().catch(() => {})));
  open = [];
  rmSync(folder, { recursive: true, force: true });
}

viewConformance("duckdb", async () => {
  freshFolder();
  let view = await openSeries({ commitRows: 2500 });
  return {
    view,
    async reopen() {
      await view.close();
      view = await openSeries();
      return view;
    },
    dispose: cleanUp,
  };
});

const one: Layout = [{ name: "one", type: "float", nullable: true }];

describe("series in DuckDB", () => {
  beforeEach(freshFolder);
  afterEach(cleanUp);

  it("commits by itself after the time, and what is gathered is not visible before", async () => {
    const series = await openSeries({ commitMs: 30 });
    await series.declare(versionOf(tradeContract));
    await series.apply([commitOf(1, [changeOf(tradeContract, tradeCells(5))])]);
    while (series.durablePosition < 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await scanned(series, "trades", tradeContract.layout)).length, 5);
  });

  it("never answers without the rows that were lost before it was asked", async () => {
    const series = await openSeries();
    await series.declare(versionOf(tradeContract));
    await series.apply([commitOf(1, [changeOf(tradeContract, tradeCells(5))])]);
    const damaged = changeOf(tradeContract, tradeCells(5, 2));
    await series.apply([commitOf(2, [{ ...damaged, bytes: damaged.bytes.subarray(0, 40) }])]);
    assert.equal(series.position, 2);
    const keys = batchOfCells(tradeContract.layout, tradeCells(5));
    await assert.rejects(series.storedRows("trades", keys, 0, 2e15), rejectsWith("view_failed"));
  });

  it("holds nothing from the call of drop on, and answers no statement across it", async () => {
    const series = await openSeries();
    await series.declare(versionOf(tradeContract));
    await series.apply([commitOf(1, [changeOf(tradeContract, tradeCells(5))])]);
    await series.flush();
    const statement = { text: "SELECT count(*)::DOUBLE FROM range(20000000)", values: [] };
    const across = series.select(statement, one);
    const dropped = series.drop();
    assert.deepEqual([series.position, series.durablePosition, series.table("trades")], [0, 0, undefined]);
    await assert.rejects(across, rejectsWith("view_failed"));
    await dropped;
    assert.deepEqual([series.position, series.durablePosition], [0, 0]);
    assert.equal((await series.select(statement, one)).count, 1);
  });

  it("goes back to what is durable after a failure, and takes the runs again", async () => {
    let series = await openSeries();
    await series.declare(versionOf(tradeContract));
    await series.apply([commitOf(1, [changeOf(tradeContract, tradeCells(5))])]);
    await series.flush();
    const renamed = (symbols: string, seed: number) =>
      tradeCells(5, seed).map(([, ...rest], index) => [symbols[index]!, ...rest]);
    await series.apply([commitOf(2, [changeOf(tradeContract, renamed("abcde", 1))])]);
    const found = await series.storedRows(
      "trades",
      batchOfCells(tradeContract.layout, renamed("a", 1).slice(0, 1)),
      0,
      2e15,
    );
    assert.equal(found.count, 1);
    const damaged = changeOf(tradeContract, tradeCells(5, 2));
    await series.apply([commitOf(3, [{ ...damaged, bytes: damaged.bytes.subarray(0, 40) }])]);
    await assert.rejects(series.flush(), rejectsWith("view_failed"));
    assert.deepEqual([series.position, series.durablePosition, series.figures().failures], [1, 1, 1]);
    await series.apply([2, 3].map((at) => commitOf(at, [changeOf(tradeContract, renamed("edcba", at - 1))])));
    await series.close();
    series = await openSeries();
    const rows = await scanned(series, "trades", tradeContract.layout);
    const expected = [...tradeCells(5), ...renamed("edcba", 1), ...renamed("edcba", 2)];
    assert.deepEqual(rows, rowsOf(tradeContract.layout, batchOfCells(tradeContract.layout, expected)));
  });

  it("holds its caller back while too much waits", async () => {
    const series = await openSeries({ waitingBytes: 1 });
    await series.declare(versionOf(tradeContract));
    await series.apply([commitOf(1, [changeOf(tradeContract, tradeCells(500))])]);
    assert.equal(series.figures().waitingBytes, 0);
  });

  it("stops a statement when asked, and stays usable", async () => {
    const series = await openSeries();
    const controller = new AbortController();
    const reason = new Error("enough");
    const text = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range + b.range) % 7 = 3";
    const running = series.select({ text, values: [] }, one, controller.signal);
    setImmediate(() => controller.abort(reason));
    await assert.rejects(running, reason);
    const answer = await series.select({ text: "SELECT 1.5::DOUBLE", values: [] }, one);
    assert.deepEqual(rowsOf(one, answer), [{ one: 1.5 }]);
  });

  it("refuses more rows than allowed", async () => {
    const series = await openSeries({ maxRows: 5000 });
    const text = (rows: number): string => `SELECT range::DOUBLE FROM range(${rows})`;
    assert.equal((await series.select({ text: text(5000), values: [] }, one)).count, 5000);
    await assert.rejects(series.select({ text: text(5001), values: [] }, one), rejectsWith("query_too_large"));
  });

  it("lets no statement reach outside the file or change that", async () => {
    const series = await openSeries();
    const secret = join(folder, "secret.csv");
    writeFileSync(secret, "a\n1\n");
    const attempts = [
      `SELECT * FROM read_csv('${secret}')`,
      `COPY (SELECT 1) TO '${secret}'`,
      `ATTACH '${join(folder, "other.duckdb")}'`,
      "SET enable_external_access = true",
      "SET lock_configuration = false",
      "INSTALL httpfs",
    ];
    for (const text of attempts) {
      await assert.rejects(series.select({ text, values: [] }, one), rejectsWith("query_failed"), text);
    }
  });

  it("says that a file is corrupt, and starts anew once it is dropped", async () => {
    writeFileSync(file, Buffer.alloc(20_000, 7));
    await assert.rejects(openSeries(), rejectsWith("view_corrupt"));
    dropDuckdbSeries(file);
    assert.equal((await openSeries()).position, 0);
  });

  it("takes a DuckDB file that is not a series for corrupt", async () => {
    const instance = await DuckDBInstance.create(file);
    const connection = await instance.connect();
    await connection.run("CREATE SCHEMA millpond; CREATE TABLE millpond.view (format INTEGER)");
    connection.closeSync();
    instance.closeSync();
    await assert.rejects(openSeries(), rejectsWith("view_corrupt"));
  });

  it("stores a column as text once it has too many distinct ones, unseen by readers", async () => {
    let series = await openSeries({ dictionaryTexts: 50 });
    await series.declare(versionOf(tradeContract));
    const cells = (seed: number) =>
      tradeCells(40, seed).map(([, ...rest], index) => [`S${seed * 30 + index}`, ...rest]);
    for (let position = 1; position < 5; position++) {
      await series.apply([commitOf(position, [changeOf(tradeContract, cells(position))])]);
      if (position !== 3) await series.flush();
    }
    assert.equal(series.table("trades")!.columns.get("symbol")!.dictionary, undefined);
    assert.ok(series.table("trades")!.columns.get("side")!.dictionary);
    const { layout } = tradeContract;
    const expected = rowsOf(layout, batchOfCells(layout, [1, 2, 3, 4].flatMap(cells)));
    assert.deepEqual(await scanned(series, "trades", layout), expected);
    await series.close();
    series = await openSeries();
    assert.deepEqual(await scanned(series, "trades", layout), expected);
    const keys = batchOfCells(layout, [["S61", ...tradeCells(1)[0]!.slice(1)]]);
    const found = rowsOf(layout, await series.storedRows("trades", keys, 0, 2e15));
    assert.deepEqual(
      found,
      expected.filter(({ symbol }) => symbol === "S61"),
    );
  });

  it("shows by verify that a row was changed behind its back", async () => {
    const environment = createEnvironment();
    const log = createLog(createMemoryLog({ environment }), environment);
    const cause = { kind: "contract", dataset: "trades", version: 1 } as const;
    const versions = [versionOf(tradeContract)];
    let series = await openSeries();
    await series.declare(versions[0]!);
    for (let seed = 0; seed < 3; seed++) {
      await log.append({ actor: "system", cause, changes: [changeOf(tradeContract, tradeCells(30, seed))] });
    }
    await series.apply(await log.read(0));
    const report = await verifyView(series, log, versions);
    assert.deepEqual([report.position, report.rows, report.equal], [3, 90, true]);
    await series.close();
    const instance = await DuckDBInstance.create(file);
    const connection = await instance.connect();
    await connection.run("UPDATE stored.trades SET price = price + 1 WHERE _position = 2 AND _place = 8");
    connection.closeSync();
    instance.closeSync();
    series = await openSeries();
    const tampered = await verifyView(series, log, versions);
    assert.deepEqual([tampered.rows, tampered.expectedRows, tampered.equal], [90, 90, false]);
  });

  it("is readable by other tools: texts instead of ids, corrected rows left out", async () => {
    const series = await openSeries();
    await series.declare(versionOf(quotes));
    const cells = [["A", 1, 1.5] as const, ["B", 1, 2.5] as const, ["A", 1, 3.5] as const];
    await series.apply([commitOf(1, [changeOf(quotes, cells)])]);
    await series.close();
    const instance = await DuckDBInstance.create(file, { access_mode: "READ_ONLY" });
    const connection = await instance.connect();
    const rows = await (await connection.run("SELECT symbol, bid FROM quotes ORDER BY symbol")).getRows();
    connection.closeSync();
    instance.closeSync();
    assert.deepEqual(rows, [
      ["A", 3.5],
      ["B", 2.5],
    ]);
  });
});

const quotes = seriesContract("quotes", {
  fields: { symbol: text(), time: instant(), bid: float() },
  key: ["symbol"],
  time: "time",
  identity: "keyTime",
});

describe("stored rows", () => {
  beforeEach(freshFolder);
  afterEach(cleanUp);
  const { layout } = tradeContract;
  const select = (cells: ReturnType<typeof tradeCells>, keys: readonly string[], from: number, through: number) =>
    rowsOf(
      layout,
      batchOfCells(
        layout,
        cells.filter(
          ([symbol, time]) => keys.includes(String(symbol)) && from <= Number(time) && Number(time) <= through,
        ),
      ),
    );

  it("gives rows of the keys in the range, durable or not, in log order", async () => {
    const series = await openSeries();
    await series.declare(versionOf(tradeContract));
    const cells = [tradeCells(60), tradeCells(60, 1)];
    await series.apply([commitOf(1, [changeOf(tradeContract, cells[0]!)])]);
    await series.flush();
    await series.apply([commitOf(2, [changeOf(tradeContract, cells[1]!)])]);
    const from = 1_700_000_000_000_000 + 5_000_000;
    const through = 1_700_000_000_000_000 + 255_000_000;
    const keys = batchOfCells(layout, [cells[0]![1]!, cells[0]![3]!, ["unknown", ...cells[0]![0]!.slice(1)]]);
    const found = rowsOf(layout, await series.storedRows("trades", keys, from, through));
    assert.ok(found.length > 0);
    assert.deepEqual(found, select(cells.flat(), ["S1", "S3"], from, through));
    assert.equal(series.durablePosition, 1);
    await series.flush();
    assert.equal((await scanned(series, "trades", layout)).length, 120);
  });

  it("gives only rows at the times of the given rows where that is asked for", async () => {
    const series = await openSeries();
    await series.declare(versionOf(quotes));
    const cells = Array.from({ length: 5_000 }, (_, time) => ["A", time, time]);
    await series.apply([commitOf(1, [changeOf(quotes, cells)])]);
    const keys = batchOfCells(quotes.layout, [
      ["A", 3, 0],
      ["A", 4_900, 0],
    ]);
    const found = rowsOf(quotes.layout, await series.storedRows("quotes", keys, 3, 4_900, true));
    assert.deepEqual(
      found.map(({ time }) => time),
      [3, 4_900],
    );
  });

  it("gives the newest revision of each, between chunks that are not full", async () => {
    const series = await openSeries();
    await series.declare(versionOf(quotes));
    const sizes = [1500, 1500, 3000];
    for (let index = 0; index < sizes.length; index++) {
      const cells = Array.from({ length: sizes[index]! }, (_, time) => ["A", time, index * 10_000 + time]);
      await series.apply([commitOf(index + 1, [changeOf(quotes, cells)])]);
      const keys = batchOfCells(quotes.layout, [["A", 0, 0]]);
      const found = rowsOf(quotes.layout, await series.storedRows("quotes", keys, 1400, 1600));
      const last = sizes[index]! > 1600 ? 1600 : 1499;
      const expected = Array.from({ length: last - 1399 }, (_, place) => ({
        symbol: "A",
        time: 1400 + place,
        bid: index * 10_000 + 1400 + place,
      }));
      assert.deepEqual(found, expected);
    }
    await series.flush();
    assert.equal((await scanned(series, "quotes", quotes.layout)).length, 6000);
  });
});
