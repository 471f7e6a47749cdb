import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { batchOfCells } from "../batch/index.ts";
import { feedPolicy, float, instant, optional, rule, series, text } from "../contract/index.ts";
import { cellsOf, MemorySources, sender } from "./testing.ts";

const ticks = series("ticks", {
  fields: { symbol: text({ max: 32 }), time: instant(), bid: float({ max: 1_000 }), ask: optional(float()) },
  key: ["symbol"],
  time: "time",
  lateness: "1s",
  rules: (t) => [
    rule("crossed", t.ask.gte(t.bid), { description: "ask is not below bid" }),
    rule("jump", t.bid.change().abs().lt(10), { otherwise: "refuse" }),
    rule("wide", t.ask.minus(t.bid).lt(5), { otherwise: "count" }),
  ],
});
const SECOND = 1_000_000;
const tick = (time: number, bid = 1, ask: number | null = 2, symbol = "EURUSD") => ({ symbol, time, bid, ask });
const submission = (batch: number, rows: readonly unknown[], session = "s") => ({
  dataset: "ticks",
  feed: "mt5",
  session,
  batch,
  actor: "feed:mt5",
  incoming: { kind: "rows", rows } as const,
});
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

describe("outcomes", () => {
  test("each row gets the first reason of: refused, duplicate, late, a rule that refuses, one that quarantines", async () => {
    const sources = new MemorySources(ticks);
    const send = sender(sources.gate(), "ticks");
    await send([tick(10 * SECOND), tick(20 * SECOND)]);
    const { account, rejections } = await send([
      { ...tick(1), bid: Number.NaN },
      tick(10 * SECOND),
      tick(5 * SECOND, 500, 1),
      tick(30 * SECOND, 50, 1),
      tick(31 * SECOND, 2, 1),
      tick(32 * SECOND, 2, 9),
    ]);
    assert.deepEqual(account, { received: 6, accepted: 1, duplicate: 1, quarantined: 1, late: 1, refused: 2 });
    assert.deepEqual(
      rejections.map(({ place, outcome, code, field, rule }) => [place, outcome, code, field ?? rule]),
      [
        [0, "refused", "value_not_finite", "bid"],
        [1, "duplicate", "row_duplicate", undefined],
        [2, "late", "row_late", undefined],
        [3, "refused", "rule_failed", "jump"],
        [4, "quarantined", "rule_failed", "crossed"],
      ],
    );
    assert.match(rejections[2]!.message, /15s behind .* at most 1s/);
    assert.equal(rejections[1]!.quarantineId, undefined);
    const { cause } = sources.commits[1]!;
    assert.deepEqual(cause.kind === "feed" && cause.breaches, { wide: 1 });
    assert.deepEqual(cause.kind === "feed" && cause.notAccepted, [
      [0, 1, "refused"],
      [1, 1, "duplicate"],
      [2, 1, "late"],
      [3, 1, "refused"],
      [4, 1, "quarantined"],
    ]);
  });

  test("a row out of order but not late is accepted, counted and judged without a previous row", async () => {
    const sources = new MemorySources(ticks);
    const send = sender(sources.gate(), "ticks");
    const { account } = await send([tick(SECOND, 1), tick(SECOND / 2, 100, 200), tick(2 * SECOND, 5, 6)]);
    assert.equal(account.accepted, 3);
    const { cause } = sources.commits[0]!;
    assert.equal(cause.kind === "feed" && cause.outOfOrder, 1);
  });

  test("kept rows carry their raw form, whatever way they came", async () => {
    const sources = new MemorySources(ticks);
    const send = sender(sources.gate(), "ticks");
    const columns = batchOfCells(ticks.layout, [["EURUSD", 1_500_000, 3, 2]]);
    await send({ kind: "columns", batch: columns });
    await send([{ ...tick(1), note: "\0\ud800" }]);
    await send({ kind: "json", text: '[{"symbol": "EURUSD", "time": 2, "bid": 1e3000}]' });
    const kept = sources.quarantine();
    assert.deepEqual(
      kept.map(({ outcome, reason, place, raw }) => [outcome, reason, place, raw]),
      [
        ["quarantined", "rule_failed", 0, '{"symbol":"EURUSD","time":"1970-01-01T00:00:01.500Z","bid":3,"ask":2}'],
        ["refused", "field_not_declared", 0, '{"symbol":"EURUSD","time":1,"bid":1,"ask":2,"note":"\\u0000\\ud800"}'],
        ["refused", "value_not_finite", 0, '{"symbol": "EURUSD", "time": 2, "bid": 1e3000}'],
      ],
    );
    assert.equal(new Set(kept.map(({ id }) => id)).size, 3);
    assert.deepEqual([kept[0]!.feed, kept[0]!.session, kept[0]!.batch, kept[0]!.contract], ["feed", "s", 1, 1]);
  });

  test("a raw form is cut at 64 KiB, and all of a batch together are bounded", async () => {
    const sources = new MemorySources(ticks);
    const long = "é".repeat(60_000);
    const rows = Array.from({ length: 400 }, () => ({ ...tick(1), note: long }));
    await sender(sources.gate(), "ticks")(rows);
    const kept = sources.quarantine();
    assert.equal(kept.length, 400);
    assert.ok(kept.every(({ raw_cut }) => raw_cut));
    assert.ok(new TextEncoder().encode(kept[0]!.raw).length > 65_000);
    assert.ok(new TextEncoder().encode(kept[0]!.raw).length <= 65_536);
    assert.ok(kept.reduce((sum, { raw }) => sum + raw.length * 2, 0) < 18 * 1024 * 1024);
  });

  test("rows the feed could not read are refused at their places", async () => {
    const sources = new MemorySources(ticks);
    const unreadable = [
      { place: 2, raw: "10:00;oops", problem: "3 cells expected" },
      { place: 0, raw: "", problem: "empty line" },
    ];
    const admission = await sources
      .gate()
      .submit({ ...submission(1, [tick(1), { ...tick(2), bid: "x" }, tick(3)]), unreadable });
    assert.deepEqual(admission.account, {
      received: 5,
      accepted: 2,
      duplicate: 0,
      quarantined: 0,
      late: 0,
      refused: 3,
    });
    assert.deepEqual(
      sources.quarantine().map(({ place, reason, raw }) => [place, reason, raw]),
      [
        [0, "row_unreadable", ""],
        [2, "row_unreadable", "10:00;oops"],
        [3, "value_wrong_type", JSON.stringify({ ...tick(2), bid: "x" })],
      ],
    );
    const twice = [...unreadable, { place: 2, raw: "", problem: "again" }];
    await assert.rejects(
      sources.gate().submit({ ...submission(2, [tick(9)]), unreadable: twice }),
      code("batch_malformed"),
    );
  });

  test("an empty batch and one without any accepted row commit their account", async () => {
    const sources = new MemorySources(ticks);
    const send = sender(sources.gate(), "ticks");
    assert.equal((await send([])).receipt.position, 1);
    assert.equal((await send([7])).receipt.position, 2);
    assert.deepEqual(
      sources.commits.map(({ changes }) => changes.map(({ dataset }) => dataset)),
      [[], ["_quarantine"]],
    );
  });
});

describe("policies", () => {
  test("normalise replaces values before they are compared and judged, and must fit the contract", async () => {
    const sources = new MemorySources(ticks);
    sources.policies.push(
      feedPolicy({
        feed: "mt5",
        dataset: ticks,
        normalise: (t) => ({ symbol: t.symbol.before("."), bid: t.bid.times(t.ask) }),
      }),
    );
    const gate = sources.gate();
    const { account, rejections } = await gate.submit(
      submission(1, [tick(1, 1, 2, "EURUSD.m"), tick(1, 2, 1, "EURUSD.x"), tick(2, 1, null), tick(3, 600, 2)]),
    );
    assert.deepEqual(cellsOf(sources.commits[0]!.changes[0]!.batch), [["EURUSD", 1, 2, 2]]);
    assert.deepEqual(
      rejections.map(({ place, code, field, rule }) => [place, code, field ?? rule]),
      [
        [1, "rule_failed", "crossed"],
        [2, "value_wrong_type", "bid"],
        [3, "value_out_of_range", "bid"],
      ],
    );
    assert.equal(account.refused, 2);
    assert.match(sources.quarantine()[0]!.raw, /EURUSD\.x/);
  });

  test("a policy overrides outcomes and lateness of its own feed only", async () => {
    const sources = new MemorySources(ticks);
    sources.policies.push(
      feedPolicy({ feed: "import", dataset: ticks, rules: { crossed: "off", wide: "quarantine" }, lateness: null }),
    );
    const gate = sources.gate();
    const rows = [tick(100 * SECOND, 3, 2), tick(SECOND, 1, 2), tick(101 * SECOND, 1, 9)];
    const imported = await sender(gate, "ticks", "import")(rows);
    assert.deepEqual(
      imported.rejections.map(({ place, rule }) => [place, rule]),
      [[2, "wide"]],
    );
    const live = await sender(
      gate,
      "ticks",
      "live",
    )([tick(100 * SECOND, 4, 2), tick(200 * SECOND, 1, 2), tick(SECOND, 1, 3)]);
    assert.deepEqual(
      live.rejections.map(({ place, outcome }) => [place, outcome]),
      [
        [0, "quarantined"],
        [2, "late"],
      ],
    );
  });
});

describe("sessions", () => {
  test("a repetition is answered with the first receipt and account and stores nothing", async () => {
    const sources = new MemorySources(ticks);
    let gate = sources.gate();
    const first = await gate.submit(submission(1, [tick(1), tick(1)]));
    const again = await gate.submit(submission(1, [tick(7)]));
    assert.deepEqual(again, { receipt: first.receipt, account: first.account, rejections: [], repeated: true });
    assert.equal(first.repeated, false);
    gate = sources.gate();
    assert.deepEqual((await gate.submit(submission(1, []))).receipt, first.receipt);
    for (let batch = 2; batch <= 140; batch++) await gate.submit(submission(batch, []));
    const forgotten = await gate.submit(submission(1, []));
    assert.deepEqual([forgotten.repeated, forgotten.account.received, forgotten.receipt.position], [true, 0, 13]);
    assert.equal(sources.commits.length, 140);
  });

  test("a batch under way is answered by the same promise", async () => {
    const sources = new MemorySources(ticks);
    const gate = sources.gate();
    const both = [gate.submit(submission(1, [tick(1)])), gate.submit(submission(1, [tick(1)]))];
    assert.equal(both[0], both[1]);
    await Promise.all(both);
    assert.equal(sources.commits.length, 1);
  });

  test("numbers follow each other, from 1", async () => {
    const sources = new MemorySources(ticks);
    const gate = sources.gate();
    await assert.rejects(gate.submit(submission(2, [])), code("batch_out_of_order"));
    const one = gate.submit(submission(1, []));
    assert.equal(gate.lastBatch("mt5", "s"), 0);
    await assert.rejects(gate.submit(submission(3, [])), /batch 3 .* does not follow 1; send 2 next/);
    await one;
    assert.equal(gate.lastBatch("mt5", "s"), 1);
    await assert.rejects(gate.submit(submission(1, [], "a\nb")), code("session_invalid"));
    await assert.rejects(gate.submit({ ...submission(2, []), dataset: "none" }), code("dataset_unknown"));
  });

  test("a batch that is refused whole does not use its number", async () => {
    const sources = new MemorySources(ticks);
    const gate = sources.gate({ maxBatchRows: 2 });
    await assert.rejects(gate.submit(submission(1, [1, 2, 3])), code("batch_too_large"));
    const text = { kind: "json", text: "[" } as const;
    await assert.rejects(gate.submit({ ...submission(1, []), incoming: text }), code("json_invalid"));
    assert.equal((await gate.submit(submission(1, [tick(1), tick(2)]))).account.accepted, 2);
  });

  test("session events go to the log behind the batches that wait", async () => {
    const sources = new MemorySources(ticks);
    await sender(sources.gate(), "ticks")([tick(100)]);
    const gate = sources.gate();
    const batch = gate.submit(submission(1, [tick(50)]));
    const event = gate.session("mt5", "s", "ended", 100);
    await Promise.all([batch, event]);
    assert.deepEqual(
      sources.commits.slice(1).map(({ cause }) => cause),
      [sources.commits[1]!.cause, { kind: "session", feed: "mt5", session: "s", event: "ended", watermark: 100 }],
    );
    assert.equal(sources.commits[1]!.cause.kind, "feed");
  });
});
