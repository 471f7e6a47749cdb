import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { manualClock, sampleDraft } from "../../testing/log-samples.ts";
import { createEnvironment, fail } from "../base/index.ts";
import { createMemoryLog } from "../engine/memory/index.ts";
import { type Commit, createLog, type Fold, type Log } from "../log/index.ts";
import { createFolds, type Snapshot, type SnapshotStore } from "./index.ts";

/** Remembers which positions it was given. */
class Positions implements Fold {
  readonly name: string;
  readonly version: number;
  seen: number[] = [];
  loads = 0;
  broken = false;

  constructor(name = "positions", version = 1) {
    this.name = name;
    this.version = version;
  }
  apply(run: readonly Commit[]): void {
    if (this.broken) throw new Error("broken");
    for (const { position } of run) this.seen.push(position);
  }
  save(): unknown {
    return [...this.seen];
  }
  load(saved: unknown): void {
    this.loads += 1;
    this.seen = [...(saved as number[])];
  }
  reset(): void {
    this.seen = [];
  }
}

const upTo = (head: number): number[] => Array.from({ length: head }, (_, index) => index + 1);

describe("folds", () => {
  let log: Log;
  let kept: Map<string, Snapshot>;
  let lines: unknown[];
  let due: (() => void) | undefined;
  let snapshots: SnapshotStore;
  let environment: ReturnType<typeof createEnvironment>;
  const append = (seed: number) => log.append(sampleDraft("ticks", 2, seed));
  const folds = (of: readonly Fold[], options = {}) => createFolds(of, log, snapshots, environment, options);

  beforeEach(() => {
    kept = new Map();
    lines = [];
    due = undefined;
    const logger = {
      log: (_: string, event: string, details: unknown) => void lines.push([event, details]),
      with: () => logger,
    };
    const timers = {
      delay: () => Promise.resolve(),
      after: (_: number, callback: () => void) => {
        due = callback;
        return () => {
          due = undefined;
        };
      },
    };
    environment = createEnvironment({ clock: manualClock(), logger, timers });
    log = createLog(createMemoryLog({ environment }), environment);
    snapshots = {
      read: async (name) => structuredClone(kept.get(name)),
      write: async (name, snapshot) => void kept.set(name, structuredClone(snapshot)),
    };
  });

  it("gives every commit once: replayed, between start and attach, and live", async () => {
    for (let seed = 0; seed < 3; seed++) await append(seed);
    const fold = new Positions();
    const runner = folds([fold]);
    await runner.start();
    assert.deepEqual(fold.seen, upTo(3));
    await append(3);
    await runner.attach();
    await Promise.all([append(4), append(5)]);
    assert.deepEqual(fold.seen, upTo(6));
    assert.equal(runner.position, 6);
    await runner.close();
    await append(6);
    assert.deepEqual(fold.seen, upTo(6));
  });

  it("goes on from what was saved", async () => {
    await append(0);
    const before = folds([new Positions()]);
    await before.start();
    await before.attach();
    await append(1);
    await before.close();
    await append(2);
    const fold = new Positions();
    const late = new Positions("late");
    const read: Log["read"] = (after, limit) => log.read(after, { ...limit, commits: 1 });
    const slow = Object.create(log, { read: { value: read }, head: { get: () => log.head } });
    await createFolds([fold, late], slow, snapshots, environment).start();
    assert.deepEqual([fold.loads, fold.seen, late.loads, late.seen], [1, upTo(3), 0, upTo(3)]);
  });

  for (const [why, spoil] of [
    ["another version", (snapshot: Snapshot) => ({ ...snapshot, version: 2 })],
    ["another history", (snapshot: Snapshot) => ({ ...snapshot, hash: "00".repeat(32) })],
    ["ahead of the log", (snapshot: Snapshot) => ({ ...snapshot, position: 99 })],
  ] as const) {
    it(`replays where the snapshot is of ${why}`, async () => {
      await append(0);
      await append(1);
      const before = folds([new Positions()]);
      await before.start();
      await before.saveAll();
      kept.set("positions", spoil(kept.get("positions")!));
      const fold = new Positions();
      await folds([fold]).start();
      assert.deepEqual([fold.loads, fold.seen], [0, upTo(2)]);
    });
  }

  it("replays where the snapshot is damaged, and says so", async () => {
    await append(0);
    snapshots.read = () => Promise.reject(fail("snapshot_damaged", { name: "positions", problem: "checksum" }));
    const fold = new Positions();
    await folds([fold]).start();
    assert.deepEqual(fold.seen, upTo(1));
    assert.equal((lines.at(-1) as [string, { code: string }])[1].code, "snapshot_damaged");
  });

  it("saves after so many rows, so many commits, or so long", async () => {
    for (const [options, appends] of [
      [{ saveRows: 4 }, 2],
      [{ saveCommits: 3 }, 3],
    ] as const) {
      kept.clear();
      const runner = folds([new Positions()], options);
      await runner.start();
      await runner.saveAll();
      await runner.attach();
      const start = log.head.position;
      for (let seed = 0; seed < appends - 1; seed++) await append(seed);
      assert.equal(kept.get("positions")!.position, start);
      await append(9);
      await runner.saveAll();
      assert.equal(kept.get("positions")!.position, start + appends);
      await append(9);
      assert.ok(due);
      due();
      await runner.saveAll();
      assert.equal(kept.get("positions")!.position, start + appends + 1);
      await runner.close();
    }
  });

  it("leaves a fold that throws aside, and never saves it", async () => {
    const good = new Positions("good");
    const bad = new Positions("bad");
    const runner = folds([bad, good]);
    await runner.start();
    await runner.attach();
    await append(0);
    bad.broken = true;
    await append(1);
    bad.broken = false;
    await append(2);
    assert.deepEqual([good.seen, bad.seen, runner.broken], [upTo(3), [1], ["bad"]]);
    await runner.close();
    assert.deepEqual([...kept.keys()], ["good"]);
  });
});
