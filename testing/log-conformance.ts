/**
 * What every engine that keeps a log must do, as a suite on the promise `LogStore`. An engine's own test calls
 * `logConformance` with a way to open a fresh store; `compareLogs` drives it side by side with the in-memory reference.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Environment, ErrorCode } from "../src/base/index.ts";
import { MillpondError, utf8 } from "../src/base/index.ts";
import {
  type Commit,
  encodeHeader,
  hashCommit,
  type LogStore,
  type ReadLimit,
  sha256,
  zeroHash,
} from "../src/log/index.ts";
import { type ManualClock, manualClock, sampleChange, sampleDraft, sampleEnvironment } from "./log-samples.ts";

/** A store on fresh ground. */
export interface LogHarness {
  readonly store: LogStore;
  /** Closes the store and opens it again on the same ground. */
  reopen(): Promise<LogStore>;
  /** Closes whatever is open and cleans up. */
  dispose(): Promise<void>;
}

export type OpenLogHarness = (environment: Environment) => Promise<LogHarness>;

export const rejectsWith = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof MillpondError, String(error));
  assert.equal(error.code, code);
  return true;
};

/** The parts of a commit that must be equal on every engine, in a form that compares by content. */
export function plainCommit(commit: Commit) {
  return {
    ...commit,
    previous: Buffer.from(commit.previous).toString("hex"),
    hash: Buffer.from(commit.hash).toString("hex"),
    changes: commit.changes.map((change) => ({ ...change, bytes: Buffer.from(change.bytes).toString("hex") })),
  };
}

const positions = (commits: readonly Commit[]): number[] => commits.map(({ position }) => position);

export function logConformance(name: string, open: OpenLogHarness): void {
  describe(`log conformance: ${name}`, () => {
    let clock: ManualClock;
    let harness: LogHarness;
    let store: LogStore;

    beforeEach(async () => {
      clock = manualClock();
      harness = await open(sampleEnvironment(clock));
      store = harness.store;
    });
    afterEach(() => harness.dispose());

    it("starts empty", async () => {
      assert.deepEqual(store.head, { position: 0, at: 0, hash: zeroHash });
      assert.deepEqual(await store.read(0), []);
      assert.equal(await store.positionAt(clock.now()), 0);
      assert.deepEqual(await store.verify(), { commits: 0, head: store.head });
    });

    it("gives dense positions in the order of the calls", async () => {
      const calls = Array.from({ length: 40 }, (_, index) =>
        store.append(
          Array.from({ length: (index % 3) + 1 }, (_, place) => sampleDraft("ticks", 1, index * 10 + place)),
        ),
      );
      const receipts = (await Promise.all(calls)).flat();
      assert.deepEqual(
        receipts.map(({ position }) => position),
        receipts.map((_, index) => index + 1),
      );
      assert.deepEqual(store.head, receipts.at(-1));
    });

    it("reads back exactly what was appended, chained by hash", async () => {
      const drafts = [
        sampleDraft("ticks", 3, 1),
        sampleDraft("ticks", 2, 2, { changes: [sampleChange("ticks", 2, 2), sampleChange("börse", 5, 3)] }),
        { actor: "user:ann", cause: { kind: "contract", dataset: "ticks", version: 2 }, changes: [] } as const,
        sampleDraft("ticks", 1000, 4),
      ];
      const receipts = await store.append(drafts);
      const commits = await store.read(0);
      let previous = zeroHash;
      assert.equal(commits.length, drafts.length);
      for (const [index, commit] of commits.entries()) {
        const draft = drafts[index]!;
        const { position, at, hash } = receipts[index]!;
        assert.deepEqual(plainCommit(commit), plainCommit({ ...draft, position, at, hash, previous }));
        const payload = Buffer.concat(draft.changes.map(({ bytes }) => bytes));
        const computed = hashCommit(previous, position, at, utf8(encodeHeader(draft)), sha256(payload));
        assert.deepEqual(Buffer.from(hash), Buffer.from(computed));
        previous = hash;
      }
    });

    it("keeps instants from going back, whatever the clock does", async () => {
      const [first] = await store.append([sampleDraft()]);
      clock.move(-3_600_000_000);
      const [second] = await store.append([sampleDraft()]);
      clock.move(10 * 365 * 86_400_000_000);
      const [third] = await store.append([sampleDraft()]);
      clock.move(-10 * 365 * 86_400_000_000);
      store = await harness.reopen();
      const [fourth] = await store.append([sampleDraft()]);
      assert.equal(second!.at, first!.at);
      assert.equal(third!.at, first!.at - 3_600_000_000 + 10 * 365 * 86_400_000_000);
      assert.equal(fourth!.at, third!.at);
    });

    it("writes the drafts of a call whole or not at all", async () => {
      await store.append([sampleDraft()]);
      const call = [sampleDraft(), sampleDraft("ticks", 1, 1, { preconditions: [{ head: 1 }] }), sampleDraft()];
      await assert.rejects(store.append(call), rejectsWith("log_conflict"));
      assert.equal(store.head.position, 1);
      const [after] = await store.append([sampleDraft()]);
      assert.equal(after!.position, 2);
    });

    it("judges preconditions on top of what waits, and rejects that call alone", async () => {
      const ticksSince = (position: number) => ({ preconditions: [{ dataset: "ticks", unchangedSince: position }] });
      const results = await Promise.allSettled([
        store.append([sampleDraft("ticks", 1, 1, ticksSince(0))]),
        store.append([sampleDraft("ticks", 1, 2, ticksSince(0))]),
        store.append([sampleDraft("bars", 1, 3, ticksSince(1))]),
        store.append([sampleDraft("ticks", 1, 4, { preconditions: [{ head: 2 }] })]),
        store.append([sampleDraft("ticks", 1, 5, { preconditions: [{ head: 2 }] })]),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled", "fulfilled", "rejected"],
      );
      assert.equal(store.head.position, 3);
    });

    it("remembers across a restart where datasets changed", async () => {
      await store.append(Array.from({ length: 300 }, () => sampleDraft("ticks")));
      await store.append(Array.from({ length: 300 }, () => sampleDraft("tick")));
      store = await harness.reopen();
      assert.equal(store.head.position, 600);
      const since = (dataset: string, position: number) =>
        store.append([sampleDraft("x", 1, 1, { preconditions: [{ dataset, unchangedSince: position }] })]);
      await assert.rejects(since("ticks", 299), rejectsWith("log_conflict"));
      await assert.rejects(since("tick", 599), rejectsWith("log_conflict"));
      await since("ticks", 300);
    });

    it("reads within limits", async () => {
      await store.append(
        Array.from({ length: 700 }, (_, index) => sampleDraft(index % 300 === 7 ? "rare" : "ticks", 1, index)),
      );
      await store.append([sampleDraft("bars", 500, 1), sampleDraft("bars", 500, 2), sampleDraft("bars", 500, 3)]);
      const read = async (after: number, limit: ReadLimit) => positions(await store.read(after, limit));
      assert.deepEqual(await read(3, { commits: 2 }), [4, 5]);
      assert.deepEqual(await read(3, { through: 5 }), [4, 5]);
      assert.deepEqual(await read(703, {}), []);
      assert.deepEqual(await read(0, { datasets: ["rare"] }), [8, 308, 608]);
      assert.deepEqual(await read(8, { datasets: ["rare"], commits: 1 }), [308]);
      assert.deepEqual(await read(0, { datasets: ["rare", "bars"] }), [8, 308, 608, 701, 702, 703]);
      assert.deepEqual(await read(0, { datasets: ["rare"], through: 607 }), [8, 308]);
      assert.deepEqual(await read(0, { datasets: ["none"] }), []);
      const bytes = (await store.read(700, { commits: 1 }))[0]!.changes[0]!.bytes.length;
      assert.deepEqual(await read(700, { bytes: 1 }), [701], "at least one");
      assert.deepEqual(await read(700, { bytes: bytes * 2 }), [701, 702]);
      const filtered = await store.read(307, { datasets: ["rare"], commits: 1 });
      const [before] = await store.read(306, { commits: 1 });
      assert.deepEqual(Buffer.from(filtered[0]!.previous), Buffer.from(before!.hash));
    });

    it("finds positions by instant", async () => {
      const start = clock.now();
      for (let index = 0; index < 20; index++) {
        await store.append([sampleDraft()]);
        if (index % 3 === 2) clock.move(1_000_000);
      }
      assert.equal(await store.positionAt(start - 1), 0);
      assert.equal(await store.positionAt(start), 3);
      assert.equal(await store.positionAt(start + 1_999_999), 6);
      assert.equal(await store.positionAt(start + 60_000_000), 20);
    });

    it("takes a call far larger than any buffer, among many small ones", async () => {
      const large = sampleChange("ticks", 200_000, 1);
      const calls = Array.from({ length: 1500 }, (_, index) => store.append([sampleDraft("ticks", 1, index)]));
      calls.push(store.append([sampleDraft("ticks", 1, 1, { changes: [large, large] })]));
      calls.push(...Array.from({ length: 300 }, (_, index) => store.append([sampleDraft("ticks", 60, index)])));
      await Promise.all(calls);
      assert.equal(store.head.position, 1801);
      const [commit] = await store.read(1500, { commits: 1 });
      assert.deepEqual(commit!.changes[1]!.bytes.length, large.bytes.length);
      assert.equal(Buffer.compare(commit!.changes[1]!.bytes, large.bytes), 0);
      assert.equal((await store.verify()).commits, 1801);
      assert.equal(store.figures().waitingDrafts, 0);
      assert.equal(store.figures().waitingBytes, 0);
    });

    it("goes on after a restart as if there had been none", async () => {
      const [, second] = await store.append([sampleDraft("ticks", 1, 1), sampleDraft("ticks", 1, 2)]);
      const before = (await store.read(0)).map(plainCommit);
      store = await harness.reopen();
      assert.deepEqual(Buffer.from(store.head.hash), Buffer.from(second!.hash));
      assert.deepEqual((await store.read(0)).map(plainCommit), before);
      const [third] = await store.append([sampleDraft("ticks", 1, 3)]);
      assert.equal(third!.position, 3);
      const [commit] = await store.read(2);
      assert.deepEqual(Buffer.from(commit!.previous), Buffer.from(second!.hash));
    });

    it("verifies from a position on, and tells how far it is", async () => {
      await store.append(Array.from({ length: 50 }, (_, index) => sampleDraft("ticks", 1, index)));
      const progress: number[] = [];
      const report = await store.verify(41, (position) => progress.push(position));
      assert.equal(report.commits, 10);
      assert.equal(report.fault, undefined);
      assert.equal(progress.at(-1), 50);
    });

    it("makes what was under way durable when it closes, and then refuses", async () => {
      const pending = Array.from({ length: 30 }, (_, index) => store.append([sampleDraft("ticks", 10, index)]));
      const closed = store.close();
      await assert.rejects(store.append([sampleDraft()]), rejectsWith("log_closed"));
      assert.equal((await Promise.all(pending)).length, 30);
      await closed;
      store = await harness.reopen();
      assert.equal(store.head.position, 30);
    });
  });
}
