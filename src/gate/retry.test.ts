import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { batchOfCells } from "../batch/index.ts";
import { feedPolicy, float, instant, json, rule, series, text } from "../contract/index.ts";
import { cellsOf, MemorySources, sender } from "./testing.ts";

const declare = (spread: number) =>
  series("ticks", {
    fields: { symbol: text(), time: instant(), bid: float(), ask: float(), more: json() },
    key: ["symbol"],
    time: "time",
    lateness: 10,
    rules: (t) => [rule("crossed", t.ask.minus(t.bid).gte(spread))],
  });
const ticks = declare(0);
const tick = (time: number, bid = 1, ask = 2) => ({
  symbol: "A",
  time,
  bid,
  ask,
  more: { deep: [1, null, "\0".length] },
});
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

const idsOf = (sources: MemorySources) => sources.quarantine().map(({ id }) => id);

describe("retry", () => {
  test("rows that pass today are stored with their resolution in one commit; the others stay and say why", async () => {
    const sources = new MemorySources(ticks);
    let gate = sources.gate();
    await sender(gate, "ticks")([tick(100), tick(101, 3, 2), tick(5), tick(102, 9, 2), { ...tick(103), bid: "x" }]);
    const ids = idsOf(sources);
    assert.equal(ids.length, 4);
    sources.contracts.set("ticks", { version: 2, contract: declare(-2) });
    gate = sources.gate();
    const { account, rejections, receipt } = await gate.retry(ids, "user:ann");
    assert.deepEqual(account, { received: 4, accepted: 2, duplicate: 0, quarantined: 1, late: 0, refused: 1 });
    assert.deepEqual(
      rejections.map(({ place, outcome, code, quarantineId }) => [place, outcome, code, quarantineId]),
      [
        [2, "quarantined", "rule_failed", ids[2]],
        [3, "refused", "value_wrong_type", ids[3]],
      ],
    );
    const commit = sources.commits.at(-1)!;
    assert.equal(commit.position, receipt.position);
    assert.deepEqual([commit.actor, commit.cause], ["user:ann", { kind: "retry", rows: ids, account }]);
    assert.deepEqual(
      commit.changes.map(({ dataset, contract, operation }) => [dataset, contract, operation]),
      [
        ["ticks", 2, "append"],
        ["_resolutions", 1, "append"],
      ],
    );
    assert.deepEqual(
      cellsOf(commit.changes[0]!.batch).map(([, time]) => time),
      [101, 5],
    );
    assert.deepEqual(
      cellsOf(commit.changes[1]!.batch).map(([id, , resolution, actor, outcome]) => [id, resolution, actor, outcome]),
      ids.slice(0, 2).map((id) => [id, "retried", "user:ann", "accepted"]),
    );
    await assert.rejects(gate.retry([ids[0]!], "user:ann"), code("quarantine_unknown"));
    assert.deepEqual(sources.accounts.retried(), account);
  });

  test("rows kept from columns come back as they were, under the policy of their feed", async () => {
    const sources = new MemorySources(ticks);
    const gate = sources.gate();
    const batch = batchOfCells(ticks.layout, [["A.m", 1_500_000, 2.5, 1, '{"a":[1]}']]);
    await sender(gate, "ticks", "mt5")({ kind: "columns", batch });
    sources.policies.push(
      feedPolicy({
        feed: "mt5",
        dataset: ticks,
        rules: { crossed: "count" },
        normalise: (t) => ({ symbol: t.symbol.before(".") }),
      }),
    );
    const { account } = await gate.retry(idsOf(sources), "user:ann");
    assert.equal(account.accepted, 1);
    assert.deepEqual(sources.cells("ticks"), [["A", 1_500_000, 2.5, 1, '{"a":[1]}']]);
  });

  test("a row that was stored in the meantime is resolved as a duplicate", async () => {
    const sources = new MemorySources(ticks);
    const gate = sources.gate();
    const send = sender(gate, "ticks");
    await send([tick(100), tick(5)]);
    sources.policies.push(feedPolicy({ feed: "import", dataset: ticks, lateness: null }));
    await sender(gate, "ticks", "import")([tick(5)]);
    const { account, rejections } = await gate.retry(idsOf(sources), "user:ann");
    assert.deepEqual([account.duplicate, rejections[0]!.code], [1, "row_duplicate"]);
    assert.deepEqual(
      sources.cells("_resolutions").map((row) => row[4]),
      ["duplicate"],
    );
    assert.equal(sources.cells("ticks").length, 2);
  });

  test("rows of which only a part was kept are told apart, and so are lines that are no JSON", async () => {
    const sources = new MemorySources(ticks);
    const gate = sources.gate();
    await gate.submit({
      dataset: "ticks",
      feed: "csv",
      session: "s",
      batch: 1,
      actor: "feed:csv",
      incoming: { kind: "rows", rows: [{ ...tick(1), note: "x".repeat(70_000) }] },
      unreadable: [
        { place: 1, raw: "1;2;3", problem: "not enough cells" },
        { place: 2, raw: '{"a":1},{"a":2}', problem: "two rows in a line" },
      ],
    });
    const { rejections, account } = await gate.retry(idsOf(sources), "user:ann");
    assert.deepEqual(
      rejections.map(({ code }) => code),
      ["row_raw_cut", "row_unreadable", "row_unreadable"],
    );
    assert.equal(account.refused, 3);
  });

  test("two retries of one row at once store it once, also where history must be asked", async () => {
    const sources = new MemorySources(ticks);
    await sender(sources.gate(), "ticks")([tick(100), tick(5)]);
    const gate = sources.gate();
    const [first, second] = await Promise.allSettled([
      gate.retry(idsOf(sources), "user:ann"),
      gate.retry(idsOf(sources), "user:bob"),
    ]);
    assert.equal(first.status, "fulfilled");
    assert.equal(second.status === "rejected" && second.reason.code, "quarantine_unknown");
    assert.equal(sources.cells("ticks").length, 2);
    assert.equal(sources.lookups.length, 1);
  });

  test("a retry that is lost changes nothing", async () => {
    const sources = new MemorySources(ticks);
    const gate = sources.gate({ recentRows: 1 });
    const send = sender(gate, "ticks");
    await send([tick(100), tick(5)]);
    sources.automatic = false;
    const lost = gate.retry(idsOf(sources), "user:ann");
    await new Promise((resolve) => setImmediate(resolve));
    sources.loseWaiting();
    await assert.rejects(lost, code("log_storage_full"));
    sources.automatic = true;
    assert.equal((await gate.retry(idsOf(sources), "user:ann")).account.accepted, 1);
    await send([tick(101)]);
    assert.equal(gate.figures().datasets[0]!.recentRows, 1);
  });
});
