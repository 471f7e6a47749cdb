import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { float, instant, rule, series, text } from "../contract/index.ts";
import { createAccounts, createSessions } from "./index.ts";
import { MemorySources, sender } from "./testing.ts";

const ticks = series("ticks", {
  fields: { symbol: text(), time: instant(), bid: float() },
  key: ["symbol"],
  time: "time",
  rules: (t) => [rule("positive", t.bid.gt(0)), rule("small", t.bid.lt(10), { otherwise: "count" })],
});
const tick = (time: number, bid: number) => ({ symbol: "A", time, bid });

async function history(): Promise<MemorySources> {
  const sources = new MemorySources(ticks);
  const gate = sources.gate();
  const one = sender(gate, "ticks", "one");
  const two = sender(gate, "ticks", "two");
  await one([tick(10, 1), tick(10, 1), tick(5, 99), tick(6, -1), { ...tick(7, 1), bid: null }]);
  await two([tick(30, 1)]);
  await one([tick(20, 1)]);
  return sources;
}

describe("accounts", () => {
  test("totals by feed add up, and nothing is unaccounted", async () => {
    const { accounts } = await history();
    assert.deepEqual(accounts.totals()[0], {
      feed: "one",
      dataset: "ticks",
      received: 6,
      accepted: 3,
      duplicate: 1,
      quarantined: 1,
      late: 0,
      refused: 1,
      unaccounted: 0,
      batches: 2,
      outOfOrder: 2,
      breaches: { small: 1 },
      reasons: { rule_failed: 1, field_missing: 1 },
      rules: { positive: 1 },
      lastAt: 30,
      lastPosition: 3,
    });
    assert.equal(accounts.totals()[1]!.received, 1);
  });

  test("an account that does not add up is seen", async () => {
    const { commits, accounts } = await history();
    const { cause } = commits[1]!;
    if (cause.kind !== "feed") assert.fail();
    const wrong = { ...cause, account: { ...cause.account, received: 4 } };
    accounts.apply([{ ...commits[1]!, cause: wrong }]);
    assert.equal(accounts.totals()[1]!.unaccounted, 3);
  });

  test("a saved state goes on as the first one, however commits are grouped", async () => {
    const { commits, contracts, accounts } = await history();
    const saved = createAccounts(contracts.get("_quarantine")!.contract.layout);
    saved.apply(commits.slice(0, 1));
    const loaded = createAccounts(contracts.get("_quarantine")!.contract.layout);
    loaded.load(structuredClone(saved.save()));
    loaded.apply(commits.slice(1));
    assert.deepEqual(loaded.totals(), accounts.totals());
    loaded.reset();
    assert.deepEqual(loaded.totals(), []);
  });
});

describe("sessions", () => {
  test("the last batches and the newest accepted time are known, per dataset", async () => {
    const { sessions, commits } = await history();
    assert.equal(sessions.last("one", "s")!.position, 3);
    assert.deepEqual(sessions.find("one", "s", 1)!.hash, commits[0]!.hash);
    assert.equal(sessions.newestTime("one", "s", "ticks"), 20);
    assert.equal(sessions.newestTime("two", "s", "ticks"), 30);
    assert.equal(sessions.newestTime("two", "s", "other"), Number.NEGATIVE_INFINITY);
    assert.equal(sessions.last("three", "s"), undefined);
  });

  test("a saved state goes on as the first one, and saving does not tie the two together", async () => {
    const { sessions, commits } = await history();
    const saved = createSessions(() => ticks);
    saved.apply(commits.slice(0, 2));
    const loaded = createSessions(() => ticks);
    loaded.load(structuredClone(saved.save()));
    loaded.apply(commits.slice(2));
    assert.deepEqual(loaded.save(), sessions.save());
  });

  test("what was saved does not change with the commits that come after it", async () => {
    const { commits, sessions } = await history();
    const saved = sessions.save();
    const before = structuredClone(saved);
    sessions.apply([{ ...commits.at(-1)!, position: 99 }]);
    assert.deepEqual(saved, before);
  });

  test("the least recently active session is forgotten first", async () => {
    const { commits } = await history();
    const sessions = createSessions(() => ticks, 1);
    sessions.apply(commits.slice(0, 2));
    assert.deepEqual([sessions.count, sessions.last("one", "s"), sessions.last("two", "s")?.batch], [1, undefined, 1]);
  });
});
