import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { deflateRawSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { createEnvironment, fail, formatInstant } from "../../base/index.ts";
import { type Row, rowsOf } from "../../batch/index.ts";
import { FakeGate } from "../fake-gate.ts";
import {
  csvLayout,
  detectLayout,
  type ImportLayout,
  type ImportOptions,
  openImport,
  parseLayout,
  rowMapper,
  runImport,
  tickFacts,
} from "../index.ts";

const environment = createEnvironment();
const data = resolve(import.meta.dirname, "../../../../shared/data");
const here = existsSync(data) ? false : "the folder of real data is not here";
const runs = Number(process.env.MILLPOND_RUNS ?? 100);
let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "millpond-import-"));
});
after(() => rm(folder, { recursive: true }));

const options = (more: Partial<ImportOptions> = {}): ImportOptions => ({ environment, feed: "file", ...more });
const file = async (name: string, content: string | Buffer): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};

async function read(path: string, layout: string | ImportLayout, more: Partial<ImportOptions> = {}) {
  const source = await openImport(path, layout, options(more));
  const rows: Row[] = [];
  const unreadable: string[] = [];
  let batches = 0;
  for await (const batch of source.batches()) {
    rows.push(...rowsOf(source.facts, batch.facts));
    unreadable.push(...batch.unreadable.map(({ problem }) => problem));
    batches += 1;
  }
  return { rows, unreadable, batches, source };
}
const at = (row: Row | undefined): string => formatInstant(row?.time as number);

describe("real files", { skip: here }, () => {
  const cases: [string, string, number, Partial<ImportOptions>, Partial<Row>, string][] = [
    [
      "ticks/lean_oanda_eurusd_20140502_quote.zip",
      "lean-quote",
      49_341,
      {},
      { symbol: "EURUSD", bid: 1.38694, ask: 1.38705 },
      "2014-05-02T00:00:00.277Z",
    ],
    [
      "ticks/lean_fxcm_eurusd_20140502_quote.zip",
      "lean-quote",
      96_406,
      {},
      { bid: 1.38626 },
      "2014-05-02T05:00:00.611Z",
    ],
    ["ticks/lean_fxcm_eurusd_20140504_quote.zip", "lean-quote", 8_025, {}, { ask: 1.3879 }, "2014-05-04T19:00:51.815Z"],
    [
      "ticks/lean_oanda_eurusd_20140505_quote.zip",
      "lean-quote",
      25_177,
      {},
      { bid: 1.3871 },
      "2014-05-05T00:00:23.668Z",
    ],
    [
      "ticks/lean_fxcm_nzdusd_20140511_quote.zip",
      "lean-quote",
      24_098,
      {},
      { symbol: "NZDUSD" },
      "2014-05-11T19:00:26.542Z",
    ],
    [
      "ticks/lean_oanda_xauusd_20140501_quote.zip",
      "lean-quote",
      129_744,
      {},
      { symbol: "XAUUSD" },
      "2014-05-01T00:00:00.043142Z",
    ],
    [
      "ticks/lean_oanda_xauusd_20140504_quote.zip",
      "lean-quote",
      9_889,
      {},
      { bid: 1300.151 },
      "2014-05-04T22:00:00.579427Z",
    ],
    [
      "ticks/truefx_usdjpy_ticks.csv",
      "truefx",
      1_000,
      {},
      { symbol: "USDJPY", bid: 86.655 },
      "2013-01-01T22:00:00.295Z",
    ],
    [
      "ticks/histdata_eurusd_20200101_ticks.csv",
      "histdata",
      9_500,
      {},
      { symbol: "EURUSD" },
      "2020-01-01T22:00:00.065Z",
    ],
    [
      "ticks/EURUSD_201405050000_201405052359_mt5layout.csv",
      "mt5-ticks",
      25_177,
      { zone: "UTC" },
      { flags: 6, last: null },
      "2014-05-05T00:00:23.668Z",
    ],
    [
      "ticks/dukascopy_ticks_eurusd_2026-07-13T12_delta.json",
      "dukascopy-json",
      3_551,
      {},
      { ask: 1.14277, bid: 1.14273 },
      "2026-07-13T12:00:00.093Z",
    ],
    [
      "ticks/dukascopy_ticks_eurusd_sample.json",
      "dukascopy-json",
      3_733,
      {},
      { ask: 1.14545, ask_volume: 1 },
      "2019-02-04T00:00:00.994Z",
    ],
    [
      "ticks/dukascopy_ticks_with_gaps.json",
      "dukascopy-json",
      380,
      { symbol: "NAS100" },
      { symbol: "NAS100" },
      "2022-05-27T07:10:01.258Z",
    ],
    [
      "bars_mt5/US30m_Daily_202401010000_202509080000.csv",
      "mt5-bars",
      527,
      { zone: "+02:00" },
      { symbol: "US30m", timeframe: "D1", spread: 90 },
      "2023-12-31T22:00:00.000Z",
    ],
    [
      "bars_mt5/US30m_H4_202401012000_202509082000.csv",
      "mt5-bars",
      2_662,
      { zone: "Europe/Athens" },
      { timeframe: "H4", close: 37776.3 },
      "2024-01-01T18:00:00.000Z",
    ],
    [
      "bars_mt5/EURUSD_M1_copy_rates_pandas.csv",
      "mt5-copy-rates",
      500,
      { zone: "UTC" },
      { timeframe: "M1", tick_volume: 20 },
      "2021-11-15T01:39:00.000Z",
    ],
    [
      "bars_fx/lean_oanda_eurusd_daily.zip",
      "lean-daily",
      3_738,
      {},
      { symbol: "EURUSD", ask_open: 1.32027 },
      "2007-01-01T00:00:00.000Z",
    ],
  ];
  for (const [name, layout, count, more, first, time] of cases) {
    test(`${name} has ${count} rows`, async () => {
      const path = join(data, name);
      assert.equal(await detectLayout(path), layout);
      const { rows, unreadable, source } = await read(path, layout, more);
      assert.deepEqual([rows.length, unreadable.length, source.session.split("/")[0]], [count, 0, "import"]);
      for (const [field, value] of Object.entries(first)) assert.equal(rows[0]?.[field], value, field);
      assert.equal(at(rows[0]), time);
    });
  }

  test("the terminal's export gives the same quotes as the file it was made from", async () => {
    const filled = await read(join(data, "ticks/EURUSD_201405050000_201405052359_mt5layout.csv"), "mt5-ticks", {
      zone: "UTC",
    });
    const whole = await read(join(data, "ticks/lean_oanda_eurusd_20140505_quote.zip"), "lean-quote");
    const quotes = (rows: Row[]) => rows.map(({ time, bid, ask }) => `${time} ${bid} ${ask}`);
    assert.deepEqual(quotes(filled.rows), quotes(whole.rows));
  });
});

const simple = csvLayout({
  name: "simple",
  delimiter: ",",
  header: true,
  columns: { symbol: { column: "s" }, time: { column: "t", type: "instant" }, bid: { column: "b", type: "float" } },
  zone: "UTC",
});
const T = "2026-01-01T00:00:00Z";

describe("declared layouts", () => {
  test("bad lines cost only themselves and are named by their number", async () => {
    const lines = [
      "\ufeffs,t,b",
      `A,${T},1`,
      `"A,${T},2`,
      `A,${T},x\r`,
      "",
      `A,2026-02-30T00:00:00Z,4`,
      `"A,B",${T},5\r`,
      `A,${T},${"9".repeat(70_000)}`,
      "A",
      `A,${T},nan`,
      `A${",".repeat(2_000)}`,
      `A,${T},8`,
    ];
    const { rows, unreadable } = await read(await file("bad.csv", lines.join("\n")), simple);
    assert.deepEqual(
      rows.map(({ symbol, bid }) => [symbol, bid]),
      [
        ["A", 1],
        ["A,B", 5],
        ["A", Number.NaN],
        ["A", 8],
      ],
    );
    assert.deepEqual(
      unreadable.map((problem) => Number(/^line (\d+) of bad.csv: /.exec(problem)?.[1])),
      [3, 4, 6, 8, 9, 11],
    );
  });

  test("every line is a row or named, whatever the lines hold", async () => {
    const line = fc.oneof(
      fc.constant(Buffer.from(`A,${T},1`)),
      fc.constant(Buffer.from([0x41, 0xff, 0x2c, 0x80])),
      fc.string({ maxLength: 30 }).map((text) => Buffer.from(text.replace(/[\r\n]/g, " "))),
      fc.constant(Buffer.alloc(3_000, 0x61)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 30 }), fc.boolean(), async (lines, carriage) => {
        const end = Buffer.from(carriage ? "\r\n" : "\n");
        const body = lines.flatMap((bytes) => [bytes, end]);
        const path = await file("any.csv", Buffer.concat([Buffer.from("s,t,b"), end, ...body]));
        const { rows, unreadable } = await read(path, simple, { limits: { lineBytes: 2_000 }, rowsPerBatch: 3 });
        const wanted = lines.filter((bytes) => bytes.length > 0).length;
        assert.equal(rows.length + unreadable.length, wanted);
        assert.equal(rows.length, lines.filter((bytes) => bytes.equals(Buffer.from(`A,${T},1`))).length);
      }),
      { numRuns: runs },
    );
  });

  test("Latin-1, zones, joined columns, filled sides and missing optional columns", async () => {
    const layout = parseLayout({
      kind: "csv",
      name: "mine",
      delimiter: ";",
      header: true,
      encoding: "latin1",
      columns: {
        symbol: { column: "Größe" },
        time: {
          column: ["Tag", "Zeit"],
          type: "instant",
          format: "DD.MM.YYYY[ HH:mm]",
          optional: true,
          zone: "Europe/Berlin",
        },
        bid: { column: "b", type: "float" },
        volume: { column: "v", type: "integer", optional: true },
      },
      fill: ["bid"],
      zone: "UTC",
    });
    const text = "Größe;Tag;b\nä;01.07.2026;1.5\nö;01.01.2026;\nä;02.07.2026;\n";
    const { rows } = await read(await file("mine.csv", Buffer.from(text, "latin1")), layout);
    assert.deepEqual(
      rows.map((row) => [row.symbol, at(row), row.bid, row.volume]),
      [
        ["ä", "2026-06-30T22:00:00.000Z", 1.5, null],
        ["ö", "2025-12-31T23:00:00.000Z", null, null],
        ["ä", "2026-07-01T22:00:00.000Z", 1.5, null],
      ],
    );
  });

  test("what cannot be known is asked for, what is malformed is refused", async () => {
    const path = await file("plain.csv", "1,2,3\n");
    await assert.rejects(openImport(path, "lean-quote", options()), { code: "import_option_missing" });
    await assert.rejects(openImport(path, "nothing", options()), { code: "import_layout_unknown" });
    await assert.rejects(read(path, "lean-quote", { zone: "UTC" }), { code: "import_option_missing" });
    await assert.rejects(read(await file("twice.csv", "s,t,b,b\n"), simple), { code: "import_file_refused" });
    await assert.rejects(read(await file("less.csv", "s,t\n"), simple), { code: "import_file_refused" });
    await assert.rejects(read(await file("wide.csv", Buffer.from("s,t,b\n", "utf16le")), simple), {
      code: "import_file_refused",
    });
    await assert.rejects(read(join(folder, "absent.csv"), simple), { code: "import_file_refused" });
    assert.throws(() => parseLayout({ kind: "csv", name: "x", delimiter: ",", header: true, columns: {} }), {
      code: "import_layout_invalid",
    });
  });
});

/** A zip of stored or deflated entries, written by hand so that it can lie. */
function zip(entries: { name: string; content: Buffer; claim?: number; attributes?: number }[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, claim, attributes = 0 } of entries) {
    const packed = deflateRawSync(content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(8, 8);
    local.writeUInt32LE(packed.length, 18);
    local.writeUInt32LE(claim ?? content.length, 22);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(8, 10);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(claim ?? content.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(attributes, 38);
    central.writeUInt32LE(offset, 42);
    parts.push(local, Buffer.from(name), packed);
    directory.push(central, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

describe("packed files", () => {
  const csv = Buffer.from(`s,t,b\nA,${T},1\n`);
  test("gzip and archives of several files are read in turn, by name", async () => {
    assert.equal((await read(await file("a.csv.gz", gzipSync(csv)), simple)).rows.length, 1);
    const second = Buffer.from(`s,t,b\nB,${T},2\n`);
    const packed = zip([
      { name: "2.csv", content: second },
      { name: "1.csv", content: csv },
    ]);
    const { rows } = await read(await file("a.zip", packed), simple);
    assert.deepEqual(
      rows.map(({ symbol }) => symbol),
      ["A", "B"],
    );
  });

  test("tricks are refused", async () => {
    const zeros = Buffer.alloc(20_000_000, 0x0a);
    const tricks: Record<string, Buffer> = {
      ratio: zip([{ name: "a.csv", content: zeros }]),
      size: zip([{ name: "a.csv", content: zeros, claim: 10 }]),
      claim: zip([
        { name: "a.csv", content: csv, claim: 0xfffffff0 },
        { name: "b.csv", content: csv, claim: 0xfffffff0 },
      ]),
      traversal: zip([{ name: "../a.csv", content: csv }]),
      twice: zip([
        { name: "a.csv", content: csv },
        { name: "a.csv", content: csv },
      ]),
      link: zip([{ name: "a.csv", content: csv, attributes: (0o120777 << 16) >>> 0 }]),
      nested: zip([{ name: "a.zip", content: csv }]),
      many: zip(Array.from({ length: 60 }, (_, index) => ({ name: `${index}.csv`, content: csv }))),
      gzip: gzipSync(zeros),
      cut: gzipSync(csv).subarray(0, 20),
      torn: zip([{ name: "a.csv", content: csv }]).subarray(0, 60),
    };
    const limits = { entries: 50, unpackedBytes: 2 ** 32 };
    for (const [name, content] of Object.entries(tricks)) {
      const path = await file(`trick-${name}`, content);
      await assert.rejects(read(path, simple, { limits }), { code: "import_file_refused" }, name);
    }
  });
});

describe("an import", () => {
  const mapper = rowMapper("ticks", tickFacts, [
    { name: "symbol", type: "text", nullable: false },
    { name: "time", type: "instant", nullable: false },
    { name: "bid", type: "float", nullable: true },
  ]);
  const text = `s,t,b\n${Array.from({ length: 1_000 }, (_, index) => `A,${T},${index}`).join("\n")}\nbroken\n`;

  test("brings every row through the gate once, in order, through conditions", async () => {
    const gate = new FakeGate(tickFacts);
    let turn = 0;
    gate.fault = () => (++turn % 7 === 0 ? fail("overloaded", { limit: 1 }) : undefined);
    const source = await openImport(await file("run.csv", text), simple, options({ rowsPerBatch: 64 }));
    const report = await runImport(source, { gate, environment, feed: "file", mapper, actor: "user:ann" });
    assert.deepEqual(
      gate.rows.map(({ bid }) => bid),
      Array.from({ length: 1_000 }, (_, index) => index),
    );
    const { received, accepted, refused } = report.account;
    assert.deepEqual([received, accepted, refused, report.unreadable, report.batches], [1_001, 1_000, 1, 1, 16]);
    assert.deepEqual(
      gate.events.map(({ event }) => event),
      ["opened", "ended"],
    );
    const again = await openImport(join(folder, "run.csv"), simple, options());
    assert.equal(again.session.split("/")[1], source.session.split("/")[1]);
    assert.notEqual(again.session, source.session);
  });

  test("ends its session when the gate refuses, when the file is damaged and when it is stopped", async () => {
    const gate = new FakeGate(tickFacts);
    gate.fault = ({ batch }) => (batch === 3 ? fail("dataset_unknown", { dataset: "ticks", known: [] }) : undefined);
    const run = { gate, environment, feed: "file", mapper, actor: "user:ann" };
    const open = () => openImport(join(folder, "run.csv"), simple, options({ rowsPerBatch: 64 }));
    await assert.rejects(runImport(await open(), run), { code: "dataset_unknown" });
    const stop = AbortSignal.abort(new Error("stopped"));
    await assert.rejects(runImport(await open(), { ...run, signal: stop }), { message: "stopped" });
    const cut = await file("cut.csv.gz", gzipSync(Buffer.from(text)).subarray(0, 500));
    await assert.rejects(runImport(await openImport(cut, simple, options()), run), { code: "import_file_refused" });
    assert.deepEqual(
      gate.events.map(({ event }) => event),
      ["opened", "ended", "opened", "ended", "opened", "ended"],
    );
  });
});
