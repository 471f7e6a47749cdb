import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { Folder, isAlive, type Running } from "./cli.test-helper.ts";

interface Line {
  readonly event: string;
  readonly url?: string;
  readonly pid?: number;
  readonly simulated?: boolean;
  readonly account?: Record<string, number>;
  readonly unaccounted?: number;
  readonly feeds?: readonly {
    readonly feed: string;
    readonly pushedMs: unknown;
    readonly account: { received: number };
  }[];
}

const lineOf = async (run: Running, event: string, fits: (line: Line) => boolean = () => true): Promise<Line> => {
  const found = await run.line((text) => {
    const line = JSON.parse(text) as Line;
    return line.event === event && fits(line);
  });
  return JSON.parse(found) as Line;
};

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await wait(50);
}

describe("start", () => {
  const folder = new Folder();
  after(() => folder.remove());
  const start = (...more: readonly string[]): Running =>
    folder.start("start", "--port", "0", "--bridge-port", "0", "--json", "--rate", "200", ...more);

  it("takes rows of a simulated terminal, drains on a Ctrl-C that comes twice at once, and adds up", async () => {
    const run = start();
    const { url } = await lineOf(run, "ready");
    assert.equal((await fetch(`${url}/health/ready`)).status, 200);
    const { pid, simulated } = await lineOf(run, "terminal");
    assert.equal(simulated, true);
    const { feeds } = await lineOf(run, "figures", (line) => line.feeds![0]!.account.received > 0);
    assert.equal(feeds![0]!.feed, "simulated");
    assert.ok(feeds![0]!.pushedMs, "a subscriber measured the way to it");
    const busy = await folder.run("start", "--port", "0", "--bridge-port", "0");
    assert.deepEqual([busy.code, /^error log_locked: .*\(process \d+\)/.test(busy.err)], [1, true]);
    const taken = await folder.run("--folder", "other", "start", "--port", new URL(url!).port, "--bridge-port", "0");
    assert.equal(
      taken.err,
      `error port_in_use: port ${new URL(url!).port} is in use; stop what uses it or choose another with --port\n`,
    );
    run.child.kill("SIGINT");
    run.child.kill("SIGINT");
    const { code, out, err } = await run.ended;
    assert.equal(code, 0, err);
    const last = JSON.parse(out.trim().split("\n").at(-1)!) as Line;
    assert.equal(last.event, "stopped");
    const { received, accepted, duplicate, quarantined, late, refused } = last.account!;
    assert.ok(received! > 0);
    assert.equal(received, accepted! + duplicate! + quarantined! + late! + refused!);
    assert.equal(last.unaccounted, 0);
    assert.equal(isAlive(pid!), false);
    assert.equal(existsSync(folder.file(".millpond/server.json")), false);
  });

  it("what was acknowledged is there afterwards, and the terminal does not outlive a killed pool", async () => {
    const run = start();
    const { pid } = await lineOf(run, "terminal");
    await lineOf(run, "figures", (line) => line.feeds![0]!.account.received > 0);
    run.child.kill("SIGKILL");
    await run.ended;
    await until(() => !isAlive(pid!));
    const verified = await folder.run("verify");
    assert.equal(verified.code, 0, verified.out);
  });

  it("verify ends with 3 where a view differs from the log, and rebuild mends it", async () => {
    const file = folder.file(".millpond/series.duckdb");
    const instance = await DuckDBInstance.create(file);
    const connection = await instance.connect();
    await connection.run("DELETE FROM stored.ticks WHERE rowid = 0");
    connection.closeSync();
    instance.closeSync();
    const wrong = await folder.run("verify");
    assert.equal(wrong.code, 3, wrong.err);
    assert.match(wrong.out, /series +ticks .* NO\n/);
    assert.match(wrong.out, /FAULT/);
    assert.equal((await folder.run("rebuild", "series")).code, 0);
    assert.equal((await folder.run("verify")).code, 0);
  });

  it("refuses a pool module that is none", async () => {
    writeFileSync(folder.file("none.mjs"), "export default {};\n");
    const { code, err } = await folder.run("start", "--pool", "none.mjs");
    assert.deepEqual(
      [code, err],
      [
        1,
        "error pool_module_invalid: 'none.mjs' cannot be used as a pool: its default export is not what definePool gives\n",
      ],
    );
  });
});

const data = process.env.MILLPOND_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const day = path.join(data, "ticks/lean_oanda_eurusd_20140502_quote.zip");
describe("real quotes", { skip: existsSync(day) ? false : "no real data: set MILLPOND_DATA" }, () => {
  it("a trading day of 49,341 ticks is stored once, however often it is brought", async () => {
    const folder = new Folder();
    const first = await folder.run("import", day);
    assert.match(first.out, /feed +oanda → ticks/);
    assert.match(
      first.out,
      /49,341 received = 49,341 accepted \+ 0 duplicate \+ 0 quarantined \+ 0 late \+ 0 refused\n$/,
    );
    const again = await folder.run("import", day);
    assert.match(
      again.out,
      /nothing new: every row was there already\n\n49,341 received = 0 accepted \+ 49,341 duplicate/,
    );
    folder.remove();
  });
});
