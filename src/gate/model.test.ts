import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { batchOfCells, type Value } from "../batch/index.ts";
import { type Contract, float, instant, rule, series, text } from "../contract/index.ts";
import type { Commit } from "../log/index.ts";
import type { RunningGate } from "./gate.ts";
import { cellsOf, identityOf, keyOf, MemorySources, timeOf } from "./testing.ts";
import type { Incoming, Submission } from "./types.ts";

const LATENESS = 4;
const declare = (identity: "content" | "keyTime"): Contract =>
  series("ticks", {
    identity,
    fields: {
      symbol: text({ max: 8 }),
      venue: text({ max: 8 }),
      time: instant(),
      bid: float({ min: 0 }),
      ask: float(),
    },
    key: identity === "content" ? ["symbol"] : ["symbol", "venue"],
    time: "time",
    lateness: LATENESS,
    rules: (t) => [
      rule("crossed", t.ask.gte(t.bid)),
      rule("jump", t.bid.change().abs().lt(4), { otherwise: "refuse" }),
      rule("wide", t.ask.minus(t.bid).lt(5), { otherwise: "count" }),
    ],
  });

type Cells = readonly Value[];
interface Expected {
  readonly outcomes: string[];
  readonly appended: Cells[];
  readonly corrected: Cells[];
  readonly wide: number;
  readonly outOfOrder: number;
}

/** The gate said again as simply as possible: arrays, walked from end to end for every row. */
class NaiveGate {
  readonly #contract: Contract;
  readonly #accepted: Cells[] = [];
  readonly #sessions = new Map<string, number>();

  constructor(contract: Contract) {
    this.#contract = contract;
  }
  judge(session: string, rows: readonly Cells[]): Expected {
    const expected: Expected = { outcomes: [], appended: [], corrected: [], wide: 0, outOfOrder: 0 };
    return rows.reduce((sum, row) => this.#row(session, row, sum), expected);
  }
  #row(session: string, row: Cells, sum: Expected): Expected {
    const turn = (outcome: string): Expected => ({ ...sum, outcomes: [...sum.outcomes, outcome] });
    const [, , time, bid, ask] = row as [string, string, number, number, number];
    if (bid < 0) return turn("refused");
    const identity = identityOf(this.#contract);
    const same = this.#accepted.filter((other) => identity(other) === identity(row));
    const corrects = this.#contract.identity === "keyTime" && same.length > 0;
    const compared = corrects ? same.slice(-1) : same;
    if (compared.some((other) => other.every((cell, index) => cell === row[index]))) return turn("duplicate");
    const newestOfSession = this.#sessions.get(session) ?? Number.NEGATIVE_INFINITY;
    if (time < newestOfSession - LATENESS) return turn("late");
    const key = keyOf(this.#contract);
    const ofKey = this.#accepted.filter((other) => key(other) === key(row));
    const newest = Math.max(...ofKey.map(timeOf(this.#contract)));
    const previous = ofKey.filter((other) => timeOf(this.#contract)(other) === newest).at(-1);
    const judged = time >= newest && !corrects ? (previous?.[3] as number | undefined) : undefined;
    if (judged !== undefined && Math.abs(bid - judged) >= 4) return turn("refused");
    if (ask < bid) return turn("quarantined");
    this.#accepted.push(row);
    this.#sessions.set(session, Math.max(newestOfSession, time));
    return {
      outcomes: [...sum.outcomes, "accepted"],
      appended: corrects ? sum.appended : [...sum.appended, row],
      corrected: corrects ? [...sum.corrected, row] : sum.corrected,
      wide: sum.wide + (ask - bid >= 5 ? 1 : 0),
      outOfOrder: sum.outOfOrder + (time < newest ? 1 : 0),
    };
  }
}

/** Every durable commit must be what the naive gate says on top of the commits before it. */
function mustMatch(contract: Contract, commits: readonly Commit[], sent: ReadonlyMap<string, readonly Cells[]>): void {
  const naive = new NaiveGate(contract);
  for (const { cause, changes } of commits) {
    assert.equal(cause.kind, "feed");
    if (cause.kind !== "feed") return;
    const rows = sent.get(`${cause.feed}/${cause.batch}`)!;
    const expected = naive.judge(cause.feed, rows);
    const outcomes: string[] = rows.map(() => "accepted");
    for (const [first, count, outcome] of cause.notAccepted ?? []) outcomes.fill(outcome, first, first + count);
    assert.deepEqual(outcomes, expected.outcomes);
    const cells = (operation: string) =>
      changes.filter((c) => c.dataset === "ticks" && c.operation === operation).flatMap(({ batch }) => cellsOf(batch));
    assert.deepEqual(cells("append"), expected.appended);
    assert.deepEqual(cells("correct"), expected.corrected);
    assert.equal(cause.breaches?.wide ?? 0, expected.wide);
    assert.equal(cause.outOfOrder ?? 0, expected.outOfOrder);
    const { received, accepted, duplicate, quarantined, late, refused } = cause.account;
    assert.equal(received, accepted + duplicate + quarantined + late + refused);
    const kept = changes.find(({ dataset }) => dataset === "_quarantine")?.batch.count ?? 0;
    assert.equal(kept, quarantined + late + refused);
  }
}

/** The first value four times as often as each of the others. */
const mostly = <T>(first: T, ...others: readonly T[]) => fc.constantFrom(first, first, first, first, ...others);
const row = fc
  .tuple(mostly("A", "B"), mostly("x", "y"), fc.nat(6), mostly(0, 1, 1, 5, -1), mostly(1, 1, 2, 6, 0))
  .map((cells): Cells => cells);
const steps = fc.array(
  fc.record({
    feed: fc.constantFrom("one", "two"),
    rows: fc.array(row, { maxLength: 8 }),
    form: fc.constantFrom("rows", "json", "columns"),
    after: fc.constantFrom("nothing", "nothing", "yield", "flush", "flush", "lose", "restart"),
  }),
  { minLength: 3, maxLength: 14 },
);

const incomingOf = (contract: Contract, rows: readonly Cells[], form: string): Incoming => {
  if (form === "columns") return { kind: "columns", batch: batchOfCells(contract.layout, rows) };
  const objects = rows.map((cells) =>
    Object.fromEntries(contract.layout.map(({ name }, index) => [name, cells[index]])),
  );
  return form === "rows" ? { kind: "rows", rows: objects } : { kind: "json", text: JSON.stringify(objects) };
};
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const runs = Number(process.env.MILLPOND_RUNS ?? 150);

for (const identity of ["content", "keyTime"] as const) {
  for (const told of [true, false]) {
    test(`${identity}: whatever is lost, late or twice, the log holds what a naive gate would have judged (${told ? "log tells of failures" : "gate sees rejections only"})`, async () => {
      await fc.assert(
        fc.asyncProperty(steps, fc.constantFrom(1, 5, 1000), fc.boolean(), async (given, recentRows, slow) => {
          const contract = declare(identity);
          const sources = new MemorySources(contract);
          sources.automatic = false;
          if (slow) sources.beforeLookup = turn;
          let gate: RunningGate = sources.gate({ recentRows });
          sources.onFailure = () => told && gate.rebuild();
          const sent = new Map<string, readonly Cells[]>();
          const pending = new Set<Submission>();
          const counts = { one: 0, two: 0 };
          const submit = (submission: Submission) => {
            gate.submit(submission).then(
              () => pending.delete(submission),
              () => {},
            );
          };
          // As a feed does it: everything behind the last durable batch again, in order.
          const again = async () => {
            await turn();
            for (const feed of ["one", "two"]) {
              for (const lost of pending) if (lost.feed === feed) submit(lost);
            }
          };
          for (const { feed, rows, form, after } of given) {
            const batch = ++counts[feed as "one"];
            sent.set(`${feed}/${batch}`, rows);
            const incoming = incomingOf(contract, rows, form);
            const submission = { dataset: "ticks", feed, session: "s", batch, actor: `feed:${feed}`, incoming };
            pending.add(submission);
            submit(submission);
            if (after === "yield") await turn();
            if (after === "flush") sources.flush();
            if (after === "lose") {
              sources.loseWaiting();
              await again();
            }
            if (after === "restart") {
              sources.loseWaiting();
              await turn();
              gate = sources.gate({ recentRows });
              await again();
            }
          }
          for (let round = 0; round < 200 && pending.size > 0; round++) {
            await turn();
            sources.flush();
            await turn();
            if (round % 20 === 19) await again();
          }
          assert.equal(pending.size, 0);
          assert.equal(sources.commits.length, given.length);
          mustMatch(contract, sources.commits, sent);
          assert.ok(!sources.logged.includes("gate_draft_outlived_failure"));
          for (const totals of sources.accounts.totals()) assert.equal(totals.unaccounted, 0);
        }),
        { numRuns: runs },
      );
    });
  }
}
