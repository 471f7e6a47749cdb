import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { batchOfCells } from "../batch/index.ts";
import { type FeedPolicy, feedPolicy, float, instant, rule, series, text } from "../contract/index.ts";
import { MemorySources, sender } from "./testing.ts";

const folder = process.env.MILLPOND_DATA ?? join(import.meta.dirname, "../../../shared/data");
const file = join(folder, "ticks/lean_fxcm_eurusd_20140502_quote.zip");
const skip = !existsSync(file)
  ? `no real ticks at ${file}; set MILLPOND_DATA`
  : spawnSync("unzip", ["-v"]).error !== undefined && "the program unzip is not installed";

const ticks = series("ticks", {
  fields: { symbol: text({ max: 32 }), time: instant(), bid: float({ min: 0 }), ask: float({ min: 0 }) },
  key: ["symbol"],
  time: "time",
  lateness: "1m",
  rules: (t) => [rule("crossed", t.ask.gte(t.bid)), rule("zero_spread", t.ask.ne(t.bid))],
});
const ROWS = 96_406;
const CROSSED = 12_061;
const ZERO_SPREAD = 13_004;
const BATCH_ROWS = 2_500;

/** Milliseconds since midnight at UTC−5, bid, ask. */
function readDay(): [string, number, number, number][] {
  const midnight = Date.UTC(2014, 4, 2, 5) * 1_000;
  const text = execFileSync("unzip", ["-p", file], { maxBuffer: 64 * 1024 * 1024, encoding: "utf8" });
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [millis, bid, ask] = line.split(",").map(Number) as [number, number, number];
      return ["EURUSD", midnight + Math.round(millis * 1_000), bid, ask];
    });
}

async function importDay(rows: readonly [string, number, number, number][], policy: FeedPolicy, times = 1) {
  const sources = new MemorySources(ticks);
  sources.policies.push(policy);
  let gate = sources.gate();
  for (let round = 0; round < times; round++) {
    const send = sender(gate, "ticks", "fxcm", `round ${round}`);
    for (let from = 0; from < rows.length; from += BATCH_ROWS) {
      await send({ kind: "columns", batch: batchOfCells(ticks.layout, rows.slice(from, from + BATCH_ROWS)) });
    }
    gate = sources.gate();
  }
  return { totals: sources.accounts.totals()[0]!, sources };
}

test("a real FXCM day: judged flatly a quarter of it is kept back, with the feed's own policy it is only counted", {
  skip,
}, async () => {
  const rows = readDay();
  assert.equal(rows.length, ROWS);
  const flat = await importDay(rows, { feed: "fxcm", dataset: "ticks" });
  assert.deepEqual(flat.totals.rules, { crossed: CROSSED, zero_spread: ZERO_SPREAD });
  assert.equal(flat.totals.quarantined, CROSSED + ZERO_SPREAD);
  assert.equal(flat.totals.received, ROWS);
  assert.equal(flat.totals.accepted + flat.totals.duplicate, ROWS - CROSSED - ZERO_SPREAD);

  const own = feedPolicy({ feed: "fxcm", dataset: ticks, rules: { crossed: "off", zero_spread: "count" } });
  const { totals, sources } = await importDay(rows, own, 2);
  const distinct = new Set(rows.map(String)).size;
  assert.deepEqual([totals.received, totals.accepted, totals.duplicate], [2 * ROWS, distinct, 2 * ROWS - distinct]);
  const distinctZero = new Set(rows.filter(([, , bid, ask]) => bid === ask).map(String)).size;
  assert.deepEqual(totals.breaches, { zero_spread: distinctZero });
  assert.equal(totals.unaccounted + totals.late + totals.quarantined + totals.refused, 0);
  assert.equal(sources.quarantine().length, 0);
});
