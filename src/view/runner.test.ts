import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { rejectsWith } from "../../testing/log-conformance.ts";
import { manualClock } from "../../testing/log-samples.ts";
import { changeOf, tradeCells, tradeContract, versionOf } from "../../testing/view-conformance.ts";
import { createEnvironment, fail, type MillpondError, toHex } from "../base/index.ts";
import { type Batch, concatBatches } from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import { createMemoryLog } from "../engine/memory/index.ts";
import { type Commit, createLog, type Log, type StoredCommit } from "../log/index.ts";
import { createViewRunner, type View, verifyView } from "./index.ts";

/** A view in an array, whose calls can be made to fail. */
class ArrayView implements View {
  readonly name = "array";
  position = 0;
  durablePosition = 0;
  durableHash = "";
  applied: Commit[] = [];
  declared: string[] = [];
  drops = 0;
  failNext: "apply" | "flush" | undefined;

  async declare({ contract, version }: ContractVersion): Promise<void> {
    this.declared.push(`${contract.name}@${version}`);
  }
  async apply(run: readonly Commit[]): Promise<void> {
    this.#mayFail("apply");
    assert.equal(run[0]!.position, this.position + 1);
    for (const { changes } of run) {
      for (const { dataset, contract } of changes) assert.ok(this.declared.includes(`${dataset}@${contract}`));
    }
    this.applied.push(...run);
    this.position = this.applied.length;
  }
  async flush(): Promise<void> {
    this.#mayFail("flush");
    this.durablePosition = this.position;
    this.durableHash = this.applied.length === 0 ? "" : toHex(this.applied.at(-1)!.hash);
  }
  #mayFail(call: "apply" | "flush"): void {
    if (this.failNext !== call) return;
    this.failNext = undefined;
    this.applied.length = this.durablePosition;
    this.position = this.durablePosition;
    const error = fail("view_failed", { view: this.name, position: this.position });
    for (const listener of this.listeners) listener(error);
    throw error;
  }
  readonly listeners = new Set<(error: MillpondError) => void>();
  onFailure(listener: (error: MillpondError) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  async *scan(dataset: string): AsyncGenerator<Batch> {
    const batches = this.applied.flatMap(({ changes }) => changes.filter((change) => change.dataset === dataset));
    if (batches.length > 0) yield concatBatches(batches.map(({ batch }) => batch));
  }
  async drop(): Promise<void> {
    this.drops += 1;
    this.applied = [];
    this.declared = [];
    this.position = 0;
    await this.flush();
  }
  async close(): Promise<void> {}
}

describe("view runner", () => {
  const environment = createEnvironment({ clock: manualClock() });
  let disk: StoredCommit[];
  let log: Log;
  let view: ArrayView;
  let controller: AbortController;
  let running: Promise<void>;
  let known: ContractVersion[];

  const append = (seed: number, version = 1) => {
    const change = changeOf(tradeContract, tradeCells(3, seed), version);
    const cause = { kind: "contract", dataset: "trades", version } as const;
    return log.append({ actor: "system", cause, changes: [change] });
  };
  const start = (gatherMs = 0) => {
    controller = new AbortController();
    const delay = () => new Promise<void>((resolve) => setImmediate(resolve));
    // A pause to gather lasts until someone ends it.
    const timers = { delay, after: () => () => {} };
    const runner = createViewRunner(view, log, { ...environment, timers }, { contracts: () => known, gatherMs });
    running = runner.run(controller.signal);
    return runner;
  };
  beforeEach(() => {
    disk = [];
    log = createLog(createMemoryLog({ environment, disk }), environment);
    view = new ArrayView();
    known = [versionOf(tradeContract)];
  });
  afterEach(async () => {
    controller.abort();
    await running;
    await log.close();
  });

  it("empties a view on demand and fills it again, also where nothing new is appended", async () => {
    for (let seed = 0; seed < 4; seed++) await append(seed);
    const runner = start();
    await runner.waitFor(4);
    await runner.rebuild();
    assert.equal(view.drops, 1);
    assert.equal(view.durablePosition, 4);
    await append(4);
    await runner.waitFor(5);
    assert.deepEqual(
      view.applied.map(({ position }) => position),
      [1, 2, 3, 4, 5],
    );
  });

  it("takes commits in gulps while nobody waits, and at once for whoever waits", async () => {
    const runner = start(20);
    await append(0);
    await runner.waitFor(1);
    await append(1);
    // The pause began while nobody waited: what comes now is gathered.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    for (let seed = 2; seed < 6; seed++) await append(seed);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(view.position < 6);
    await runner.waitFor(6);
    assert.deepEqual(
      view.applied.map(({ position }) => position),
      [1, 2, 3, 4, 5, 6],
    );
  });

  it("gives the view every commit once, in order, stored and live", async () => {
    for (let seed = 0; seed < 5; seed++) await append(seed);
    const runner = start();
    await runner.waitFor(5);
    for (let seed = 5; seed < 9; seed++) await append(seed);
    await runner.waitFor(9);
    assert.deepEqual(
      view.applied.map(({ position }) => position),
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    assert.deepEqual(runner.lag(), { commits: 0, notDurable: 0 });
  });

  it("waits without a flush where seeing is not asked for", async () => {
    const runner = start();
    await append(1);
    await runner.waitFor(1, { visible: false });
    assert.deepEqual([view.position, view.durablePosition], [1, 0]);
  });

  it("declares a contract that appears later before its rows", async () => {
    const runner = start();
    await append(1);
    await runner.waitFor(1);
    known = [...known, versionOf(tradeContract, 2)];
    await append(2, 2);
    await runner.waitFor(2);
    assert.deepEqual(view.declared, ["trades@1", "trades@2"]);
  });

  it("starts again from where the view stands after any failure", async () => {
    const runner = start();
    for (const call of ["apply", "flush"] as const) {
      for (let seed = 0; seed < 3; seed++) await append(seed);
      await runner.waitFor(log.head.position);
      view.failNext = call;
      await append(9);
      await runner.waitFor(log.head.position);
    }
    assert.deepEqual(
      view.applied.map(({ position }) => position),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert.equal(runner.lastError, undefined);
  });

  it("builds a view of another history again", async () => {
    await append(1);
    await append(2);
    const other = createLog(createMemoryLog({ environment }), environment);
    const cause = { kind: "contract", dataset: "trades", version: 1 } as const;
    for (let seed = 0; seed < 2; seed++) {
      await other.append({ actor: "other", cause, changes: [changeOf(tradeContract, tradeCells(1, seed))] });
    }
    await view.declare(known[0]!);
    await view.apply(await other.read(0));
    await view.flush();
    const runner = start();
    await runner.waitFor(2);
    while (view.drops === 0) await runner.waitFor(2);
    await runner.waitFor(2);
    assert.equal(view.drops, 1);
    assert.deepEqual(
      view.applied.map(({ actor }) => actor),
      ["system", "system"],
    );
    assert.equal((await verifyView(view, log, known)).equal, true);
  });

  it("stops waiting when asked", async () => {
    const runner = start();
    const waiting = new AbortController();
    const reason = new Error("enough");
    const promise = runner.waitFor(5, { signal: waiting.signal });
    waiting.abort(reason);
    await assert.rejects(promise, reason);
  });

  it("lets nobody wait for a view that is not driven any more", async () => {
    const runner = start();
    await append(1);
    await runner.waitFor(1);
    const waiting = runner.waitFor(2, { visible: false });
    controller.abort();
    await assert.rejects(waiting, rejectsWith("view_closed"));
    await assert.rejects(runner.waitFor(2), rejectsWith("view_closed"));
    await runner.waitFor(1);
  });

  it("says so when the log closes", async () => {
    const runner = start();
    await append(1);
    await runner.waitFor(1);
    await log.close();
    await running;
    await assert.rejects(runner.waitFor(2), rejectsWith("log_closed"));
  });

  it("shows by verify whether a view equals the log", async () => {
    const runner = start();
    await append(1);
    await append(2);
    await runner.waitFor(2);
    const report = await verifyView(view, log, known);
    assert.deepEqual([report.position, report.rows, report.expectedRows, report.equal], [2, 6, 6, true]);
    view.applied = structuredClone(view.applied);
    const [first] = view.applied[0]!.changes;
    (first!.batch.columns[1] as { values: Float64Array }).values[0]! += 1;
    assert.equal((await verifyView(view, log, known)).equal, false);
    view.applied.splice(0, 1);
    const short = await verifyView(view, log, known);
    assert.deepEqual([short.rows, short.expectedRows, short.equal], [3, 6, false]);
  });
});
