import assert from "node:assert/strict";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { type Ended, Folder, leanQuotes, type Running } from "./cli.test-helper.ts";
import { createProgram } from "./program.ts";

const FILE = "20260105_eurusd_tick_quote.csv.gz";
const GOOD = 60;

const json = <Value = Record<string, unknown>>({ out }: Ended): Value => JSON.parse(out) as Value;
const account = (received: number, accepted: number, duplicate: number, quarantined: number, refused: number) => ({
  ...{ received, accepted, duplicate, quarantined, late: 0, refused },
});

it("every command has a description, and help with an example", () => {
  const commands = createProgram().commands.flatMap((command) =>
    command.commands.length > 0 ? command.commands : [command],
  );
  assert.ok(commands.length >= 20);
  for (const command of commands) {
    let help = "";
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    assert.ok(command.description().length > 20, command.name());
    assert.match(help, /Example:\n {2}\$ millpond /, command.name());
    assert.match(help, /Global Options:[\s\S]*--json/, command.name());
  }
});

describe("commands without a server", () => {
  const folder = new Folder();
  after(() => folder.remove());

  it("import: gives every row of a file an outcome, and knows the file when it comes again", async () => {
    writeFileSync(folder.file(FILE), gzipSync(leanQuotes(GOOD)));
    const first = await folder.run("import", FILE, "--zone", "UTC", "--json");
    assert.equal(first.code, 0, first.err);
    const { imports, ...sum } = json<{ account: object; imports: Record<string, unknown>[] }>(first);
    assert.deepEqual(sum, { account: account(GOOD + 3, GOOD, 1, 1, 1) });
    const { layout, feed, dataset, stopped } = imports[0]!;
    assert.deepEqual(
      { layout, feed, dataset, stopped },
      { layout: "lean-quote", feed: "files", dataset: "ticks", stopped: false },
    );
    const again = await folder.run("import", FILE, "--zone", "UTC");
    assert.equal(again.code, 0, again.err);
    assert.match(again.out, /63 received = 0 accepted \+ 61 duplicate \+ 1 quarantined \+ 0 late \+ 1 refused\n$/);
    assert.match(again.out, /nothing new was accepted/);
    assert.match(again.out, /duplicate +row_duplicate +61/);
    assert.match(again.out, /quarantined +rule_failed \(crossed\) +1/);
  });

  it("import: says plainly that nothing is new, and that a file cannot be read", async () => {
    writeFileSync(folder.file("one_tick_quote_.csv"), "0,1.1,1.1002\n");
    const known = await folder.run(
      ...["import", "one_tick_quote_.csv", "--zone", "UTC", "--symbol", "EURUSD", "--date", "20260105"],
    );
    assert.match(known.out, /nothing new: every row was there already/);
    const missing = await folder.run("import", "nowhere.csv");
    assert.equal(missing.code, 1);
    assert.equal(missing.err, "error import_file_refused: the file cannot be imported: 'nowhere.csv' is no file\n");
    writeFileSync(folder.file("unclear.csv"), "a,b\n1,2\n");
    const unclear = await folder.run("import", "unclear.csv", "--json");
    assert.equal(unclear.code, 1);
    assert.equal((JSON.parse(unclear.err) as { error: { code: string } }).error.code, "import_layout_unclear");
  });

  it("refuses a folder without a pool, and wrong usage with another exit code", async () => {
    const nothing = await folder.run("--folder", "elsewhere", "query", "ticks");
    assert.equal(nothing.code, 1);
    assert.match(nothing.err, /^error folder_unknown: '.*elsewhere' holds no pool; .*\n$/);
    assert.equal(existsSync(folder.file("elsewhere")), false);
    for (const args of [
      ["query"],
      ["bogus"],
      ["query", "ticks", "--limit", "0"],
      ["tail", "ticks", "--from", "x"],
      [],
    ]) {
      assert.equal((await folder.run(...args)).code, 2, args.join(" "));
    }
    const asJson = await folder.run("query", "--json");
    assert.equal((JSON.parse(asJson.err) as { error: { code: string } }).error.code, "usage_invalid");
  });

  it("doctor: finds all well, then tokens that others may read", async () => {
    const well = await folder.run("doctor", "--json", "--port", "0", "--bridge-port", "0");
    assert.equal(well.code, 0, well.out);
    const { ok, checks } = json<{ ok: boolean; checks: { name: string; state: string }[] }>(well);
    assert.equal(ok, true);
    for (const name of ["node", "clock", "folder", "disk", "tokens", "lock", "log", "series", "contracts"]) {
      assert.equal(checks.find((check) => check.name === name)?.state, "ok", name);
    }
    chmodSync(folder.file(".millpond/tokens.json"), 0o644);
    const open = await folder.run("doctor", "--port", "0", "--bridge-port", "0");
    chmodSync(folder.file(".millpond/tokens.json"), 0o600);
    assert.equal(open.code, 3);
    assert.match(open.out, /^fail +tokens +others may read them \(mode 644\) +run: chmod 600 /m);
  });
});

describe("commands beside a server", () => {
  const folder = new Folder();
  let server: Running;
  let position: number;
  before(async () => {
    writeFileSync(folder.file(FILE), gzipSync(leanQuotes(GOOD)));
    server = folder.start("start", "--port", "0", "--bridge-port", "0", "--no-terminal", "--json");
    await server.line((line) => line.includes('"ready"'));
    const brought = await folder.run("import", FILE, "--zone", "UTC", "--json");
    assert.equal(brought.code, 0, brought.err);
    position = json<{ imports: { lastPosition: number }[] }>(brought).imports[0]!.lastPosition;
  });
  after(async () => {
    server.child.kill("SIGTERM");
    await server.ended;
    folder.remove();
  });

  it("query: rows and windows, as a table and as JSON", async () => {
    const newest = await folder.run(
      "query",
      "ticks",
      "--order",
      "-time",
      "--limit",
      "2",
      "--select",
      "time, spread: ask - bid",
    );
    assert.equal(newest.code, 0, newest.err);
    assert.match(newest.out, /^time +spread\n─+ +─+\n2026-01-05T00:09:50\.000Z +0\.0001\d+\n/);
    assert.match(newest.out, /2 rows from view series at position \d+\nmore: --after \S+\n$/);
    const hours = await folder.run(
      ...["query", "ticks", "--where", "symbol = 'EURUSD'", "--group", "symbol", "--every", "5m", "--json"],
      ...["--aggregate", "high=max(bid)", "--aggregate", "ticks=count()", "--at-least", String(position)],
    );
    assert.deepEqual(json(hours).rows, [
      { symbol: "EURUSD", window_start: "2026-01-05T00:00:00.000Z", high: 1.1006, ticks: 30 },
      { symbol: "EURUSD", window_start: "2026-01-05T00:05:00.000Z", high: 1.1006, ticks: 30 },
    ]);
    const earlier = await folder.run("query", "ticks", "--as-of", String(position - 1), "--json");
    assert.deepEqual(json(earlier).rows, []);
  });

  it("query: says which dataset or expression is wrong", async () => {
    const unknown = await folder.run("query", "nope");
    assert.equal(unknown.code, 1);
    assert.match(unknown.err, /^error dataset_unknown: there is no dataset 'nope'; declared are: .*ticks/);
    const wrong = await folder.run("query", "ticks", "--where", "bid >");
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /^error plan_invalid: the plan is not valid at where: /);
    assert.doesNotMatch(wrong.err, /at .*\.ts/);
  });

  it("tail: prints what is pushed and ends at its limit", async () => {
    const lines = await folder.run("tail", "ticks", "--from", "start", "--limit", "3", "--fields", "time,bid");
    assert.equal(lines.code, 0, lines.err);
    assert.match(lines.out, /^position +time +bid\n +\d+ +2026-01-05T00:00:00\.000Z +1\.1\n/);
    assert.equal(lines.out.trim().split("\n").length, 4);
    const rows = await folder.run("tail", "ticks", "--from", "0", "--limit", "2", "--json", "--where", "bid > 1.1005");
    const [first] = rows.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { position: number; row: object });
    assert.deepEqual(first, {
      ...{ position, operation: "append" },
      row: { symbol: "EURUSD", time: "2026-01-05T00:01:00.000Z", bid: 1.1006, ask: 1.1008, volume: null },
    });
    assert.equal((await folder.run("tail", "nope")).code, 1);
  });

  it("tail: a Ctrl-C ends it in order", async () => {
    const tail = folder.start("tail", "ticks", "--from", "start");
    await tail.line((line) => line.includes("2026-01-05T00:09:50.000Z"));
    tail.child.kill("SIGINT");
    assert.equal((await tail.ended).code, 0);
  });

  it("latest: the newest row, or that there is none", async () => {
    const found = await folder.run("latest", "ticks", "EURUSD", "--json");
    assert.deepEqual(json<{ row: { time: string }; position: number }>(found).row.time, "2026-01-05T00:09:50.000Z");
    const none = await folder.run("latest", "ticks", "XAUUSD");
    assert.deepEqual([none.code, none.err], [1, "error key_unknown: 'ticks' has no row with this key\n"]);
    assert.equal((await folder.run("latest", "ticks")).code, 2);
  });

  it("explain: a tick to its place in the batch, a candle to the rows it was made of", async () => {
    const tick = await folder.run("explain", "ticks", "EURUSD", "--at", "2026-01-05T00:00:10Z");
    assert.equal(tick.code, 0, tick.err);
    assert.match(tick.out, /feed +files\n/);
    assert.match(tick.out, /batch +1, row 2 as received\n/);
    assert.match(tick.out, /crossed +yes +quarantine +ask is at least bid/);
    assert.match(tick.out, /hash +[0-9a-f]{64}\n/);
    const candle = await folder.run("explain", "candles_1m", "EURUSD", "--at", "2026-01-05T00:01:00Z");
    assert.match(candle.out, /high +the highest mid, where mid is \(bid plus ask\) divided by 2\n/);
    assert.match(candle.out, /It was made of 6 rows of ticks, the first 5:/);
    const asJson = await folder.run("explain", "candles_1m", "EURUSD", "--at", "2026-01-05T00:01:00Z", "--json");
    const { derivation, row } = json<{ derivation: { rows: { time: string }[] }; row: { ticks: number } }>(asJson);
    assert.deepEqual([row.ticks, derivation.rows.length, derivation.rows[0]!.time], [6, 6, "2026-01-05T00:01:00.000Z"]);
  });

  it("quarantine: lists, shows, retries and discards, and no stored text reaches the terminal as a command", async () => {
    const list = await folder.run("quarantine", "list");
    assert.equal(list.code, 0, list.err);
    assert.ok(!list.out.includes("\u001b"), "an escape got through");
    assert.match(list.out, /what\\u\{1b\}\[31m is this/);
    const crossed = json<{ id: string; rule: string }[]>(
      await folder.run("quarantine", "list", "--reason", "rule_failed", "--json"),
    );
    assert.deepEqual(
      crossed.map(({ rule }) => rule),
      ["crossed"],
    );
    const { id } = crossed[0]!;
    assert.equal(json<{ id: string }>(await folder.run("quarantine", "show", id, "--json")).id, id);
    const retried = await folder.run("quarantine", "retry", id);
    assert.equal(retried.code, 1);
    assert.match(retried.out, /^1 received = 0 accepted \+ 0 duplicate \+ 1 quarantined/);
    assert.equal((await folder.run("quarantine", "discard")).code, 2);
    assert.equal((await folder.run("quarantine", "discard", "--outcome", "quarantined")).code, 0);
    assert.deepEqual(json(await folder.run("quarantine", "list", "--reason", "rule_failed", "--json")), []);
    const all = json<{ resolution: string }[]>(
      await folder.run("quarantine", "list", "--reason", "rule_failed", "--all", "--json"),
    );
    assert.deepEqual(
      all.map(({ resolution }) => resolution),
      ["discarded"],
    );
  });

  it("accounts, chains, tasks, feeds, datasets, log, version say what is", async () => {
    const accounts = json<{ accounts: { received: number; unaccounted: number }[] }>(
      await folder.run("accounts", "--json"),
    );
    assert.deepEqual(
      accounts.accounts.map(({ received, unaccounted }) => [received, unaccounted]),
      [[GOOD + 3, 0]],
    );
    assert.match((await folder.run("accounts")).out, /63 received = 60 accepted \+ 1 duplicate \+ 1 quarantined/);
    const chains = json<{ name: string }[]>(await folder.run("chains", "--active", "--json"));
    assert.ok(chains.some(({ name }) => name === "files → ticks → candles_1m"));
    assert.match((await folder.run("chains", "--active")).out, /^files → ticks\nhop/);
    assert.match((await folder.run("tasks")).out, /view series +running/);
    assert.match((await folder.run("feeds")).out, /feed +simulated\nstate +connecting/);
    assert.match((await folder.run("datasets")).out, /candles_1m +1 +symbol +time/);
    assert.match((await folder.run("datasets", "ticks")).out, /crossed +quarantine +ask is at least bid/);
    assert.match(
      (await folder.run("log", "--from", "1", "--limit", "1")).out,
      /1 .*contract ticks version 1 +\+1 _contracts/,
    );
    assert.equal(json<{ node: string }>(await folder.run("version", "--json")).node, process.versions.node);
  });

  it("verify and rebuild", async () => {
    const rebuilt = await folder.run("rebuild", "series");
    assert.equal(rebuilt.code, 0, rebuilt.err);
    const verified = await folder.run("verify");
    assert.equal(verified.code, 0, verified.err);
    assert.match(verified.out, /hash chain +holds over \d+ commits/);
    assert.match(verified.out, /series +ticks +\d+ +60 +60 +[0-9a-f]{32} +yes/);
    const unknown = await folder.run("rebuild", "nope", "--json");
    assert.equal((JSON.parse(unknown.err) as { error: { code: string } }).error.code, "view_unknown");
  });

  it("doctor works beside the server; a named server is used; a dead one is told", async () => {
    const doctor = await folder.run("doctor");
    assert.equal(doctor.code, 0, doctor.out);
    assert.match(doctor.out, /ok +ready +takes rows and answers/);
    const dead = await folder.run("accounts", "--url", "http://127.0.0.1:1");
    assert.deepEqual(
      [dead.code, dead.err],
      [1, "error server_unreachable: no server answers at http://127.0.0.1:1; is it running?\n"],
    );
    writeFileSync(folder.file("wrong"), "mp_0000000000000000000000000000000000\n");
    const refused = await folder.run("accounts", "--token-file", "wrong");
    assert.match(refused.err, /^error sign_in_required: /);
  });
});
