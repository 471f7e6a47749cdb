import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { batchOfCells } from "../batch/index.ts";
import { float, instant, optional, rule, series, text } from "../contract/index.ts";
import { MemorySources, sender } from "./testing.ts";

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
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("history", () => {
  test("the straight path reaches the log before submit returns, and does not copy the batch", () => {
    const sources = new MemorySources(ticks);
    const batch = batchOfCells(ticks.layout, [["EURUSD", 1, 1, 2]]);
    void sources.gate().submit({ ...submission(1, []), incoming: { kind: "columns", batch } });
    assert.equal(sources.waiting[0]!.draft.changes[0]!.batch, batch);
    sources.flush();
  });

  test("old rows are looked up once per batch, one batch at a time, keeping the order of their session", async () => {
    const sources = new MemorySources(ticks);
    const rows = Array.from({ length: 50 }, (_, index) => tick(index * 10));
    await sender(sources.gate(), "ticks", "first")(rows);
    let running = 0;
    let most = 0;
    sources.beforeLookup = async () => {
      most = Math.max(most, ++running);
      await turn();
      running -= 1;
    };
    const gate = sources.gate();
    const waits = gate.submit(submission(1, [...rows, tick(15)]));
    const follows = gate.submit(submission(2, [tick(1_000)]));
    const other = gate.submit(submission(1, [tick(15), tick(490)], "t"));
    const passes = gate.submit(submission(1, [tick(2_000, 1, 2, "USDJPY")], "u"));
    const all = await Promise.all([waits, follows, other, passes]);
    assert.deepEqual(
      all.map(({ account }) => [account.accepted, account.duplicate]),
      [
        [1, 50],
        [1, 0],
        [0, 2],
        [1, 0],
      ],
    );
    assert.equal(most, 1);
    assert.deepEqual(sources.lookups[0], { rows: 51, from: 0, through: 490, atLeast: 1 });
    assert.equal(sources.lookups.length, 2);
    assert.ok(all[3].receipt.position < all[0].receipt.position);
    assert.ok(all[0].receipt.position < all[1].receipt.position);
  });

  test("rows newer than the floor of their key need no look-up", async () => {
    const sources = new MemorySources(ticks);
    const gate = sources.gate();
    const send = sender(gate, "ticks");
    await send([tick(10), tick(30)]);
    assert.equal((await send([tick(20), tick(10), tick(30), tick(30, 3, 4)])).account.duplicate, 2);
    assert.equal(gate.figures().lookups, 0);
  });

  test("a failing look-up fails its batch and those behind it in the session, and nothing else", async () => {
    const sources = new MemorySources(ticks);
    await sender(sources.gate(), "ticks", "first")([tick(100)]);
    const gate = sources.gate();
    sources.beforeLookup = () => Promise.reject(new Error("the store is away"));
    const failing = [gate.submit(submission(1, [tick(50)])), gate.submit(submission(2, [tick(200)]))];
    const passing = gate.submit(submission(1, [tick(300)], "t"));
    const problems = (await Promise.allSettled(failing)).map((end) => end.status === "rejected" && end.reason.code);
    assert.deepEqual(problems, ["internal", "internal"]);
    assert.equal((await passing).account.accepted, 1);
    sources.beforeLookup = () => Promise.resolve();
    const again = [gate.submit(submission(1, [tick(50)])), gate.submit(submission(2, [tick(400)]))];
    assert.deepEqual(
      (await Promise.all(again)).map(({ account }) => account.accepted),
      [1, 1],
    );
    assert.equal(gate.figures().rebuilds, 0);
  });

  test("thousands of rows at one time stay quick and exact", async () => {
    const sources = new MemorySources(ticks);
    const send = sender(sources.gate(), "ticks");
    const rows = Array.from({ length: 20_000 }, (_, index) => tick(5, index / 100_000, 3));
    assert.equal((await send(rows)).account.accepted, 20_000);
    assert.equal((await send(rows)).account.duplicate, 20_000);
  });
});

describe("limits and failures", () => {
  test("more waiting rows than allowed are refused before they are judged", async () => {
    const sources = new MemorySources(ticks);
    sources.automatic = false;
    const gate = sources.gate({ maxWaitingRows: 1 });
    const taken = gate.submit(submission(1, [tick(1), tick(2)]));
    await assert.rejects(gate.submit(submission(2, [tick(3)])), code("overloaded"));
    sources.flush();
    await taken;
    const next = gate.submit(submission(2, [tick(3)]));
    sources.flush();
    assert.equal((await next).account.accepted, 1);
    assert.deepEqual([gate.figures().waitingRows, gate.figures().waitingBytes], [0, 0]);
  });

  test("when a group is lost everything under way fails, and the rows are new again", async () => {
    const sources = new MemorySources(ticks);
    sources.automatic = false;
    const gate = sources.gate();
    const lost = [gate.submit(submission(1, [tick(5)])), gate.submit(submission(1, [tick(5)], "t"))];
    sources.loseWaiting();
    for (const one of lost) await assert.rejects(one, code("log_storage_full"));
    assert.equal(gate.figures().rebuilds, 1);
    sources.automatic = true;
    assert.equal((await gate.submit(submission(1, [tick(5)], "t"))).account.accepted, 1);
    assert.equal((await gate.submit(submission(1, [tick(5)]))).account.duplicate, 1);
  });

  test("an event of a session does not overtake the batch that waits for a recovery", async () => {
    const sources = new MemorySources(ticks);
    sources.automatic = false;
    const gate = sources.gate();
    const lost = gate.submit(submission(1, [tick(10)]));
    const doomed = gate.submit(submission(1, [tick(10)], "t"));
    sources.waiting.shift()!.reject(new Error("lost"));
    await assert.rejects(lost);
    // The other one is not told yet, so the gate still recovers.
    const again = gate.submit(submission(1, [tick(10)]));
    const ended = gate.session("mt5", "s", "ended", 20);
    sources.waiting.shift()!.reject(new Error("lost"));
    await assert.rejects(doomed);
    sources.automatic = true;
    await turn();
    sources.flush();
    await Promise.all([again, ended]);
    assert.deepEqual(
      sources.commits.map(({ cause }) => cause.kind),
      ["feed", "session"],
    );
  });

  test("who comes right after a rebuild does not overtake those that wait for it", async () => {
    const sources = new MemorySources(ticks);
    sources.automatic = false;
    const gate = sources.gate();
    const lost = [gate.submit(submission(1, [tick(5)])), gate.submit(submission(1, [tick(5)], "t"))];
    sources.waiting[0]!.reject(new Error("lost"));
    await assert.rejects(lost[0]!, code("internal"));
    const waits = gate.submit(submission(1, [tick(5)]));
    const [, second] = sources.waiting.splice(0);
    gate.rebuild();
    second!.reject(new Error("lost"));
    const follows = gate.submit(submission(2, [tick(6)]));
    await assert.rejects(lost[1]!, code("internal"));
    await turn();
    sources.flush();
    assert.deepEqual(
      (await Promise.all([waits, follows])).map(({ receipt }) => receipt.position),
      [1, 2],
    );
  });

  test("R-S08: one bad row of 10,000 loses only itself", async () => {
    for (const bad of [0, 5_000, 9_999]) {
      const sources = new MemorySources(ticks);
      const rows: unknown[] = Array.from({ length: 10_000 }, (_, index) => tick(index));
      rows[bad] = { ...tick(bad), bid: Number.POSITIVE_INFINITY };
      const { account, rejections } = await sender(sources.gate(), "ticks")(rows);
      assert.deepEqual([account.accepted, account.refused], [9_999, 1]);
      assert.deepEqual(
        rejections.map(({ place, code }) => [place, code]),
        [[bad, "value_not_finite"]],
      );
      assert.equal(sources.quarantine().length, 1);
    }
  });

  test("R-S07: rows that make the check throw are refused by themselves", async () => {
    const sources = new MemorySources(ticks);
    const poison = {
      symbol: "EURUSD",
      time: 70,
      ask: 2,
      get bid(): number {
        throw new RangeError("Maximum call stack size exceeded");
      },
    };
    const trap = new Proxy(tick(80), {
      ownKeys: () => {
        throw new Error("no keys");
      },
    });
    const rows: unknown[] = Array.from({ length: 100 }, (_, index) => tick(index));
    rows[70] = poison;
    rows[80] = trap;
    const deep = `{"symbol":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const gate = sources.gate();
    const send = sender(gate, "ticks");
    const { account, rejections } = await send(rows);
    assert.deepEqual([account.accepted, account.refused], [98, 2]);
    assert.deepEqual(
      rejections.map(({ place, code }) => [place, code]),
      [
        [70, "row_unjudgeable"],
        [80, "row_unjudgeable"],
      ],
    );
    assert.ok(sources.quarantine().every(({ raw_cut }) => raw_cut));
    const { account: second } = await send({ kind: "json", text: `${deep}\n${JSON.stringify(tick(500))}` });
    assert.deepEqual([second.accepted, second.refused], [1, 1]);
  });
});
