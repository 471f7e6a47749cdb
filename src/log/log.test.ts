import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { rejectsWith } from "../../testing/log-conformance.ts";
import { manualClock, sampleDraft } from "../../testing/log-samples.ts";
import { createEnvironment, fail, type MillpondError, seededRandom } from "../base/index.ts";
import { createMemoryLog } from "../engine/memory/index.ts";
import { type Commit, createLog, type Draft, type LogOptions, type LogStore } from "./index.ts";

const never = new AbortController().signal;
const positionsOf = (run: readonly Commit[]): number[] => run.map(({ position }) => position);

/** A log on a memory store whose disk can be made to wait or to fail. */
function openLog(options: LogOptions = {}) {
  const lines: string[] = [];
  const logger = { log: (_: string, event: string) => void lines.push(event), with: () => logger };
  const environment = createEnvironment({ clock: manualClock(), logger });
  const disk = { sync: async (): Promise<void> => {} };
  const store = createMemoryLog({ environment, sync: () => disk.sync() });
  const calls: number[] = [];
  const counted: LogStore = Object.create(store, {
    head: { get: () => store.head },
    append: {
      value: (drafts: readonly Draft[]) => {
        calls.push(drafts.length);
        return store.append(drafts);
      },
    },
    read: { value: store.read.bind(store) },
    close: { value: store.close.bind(store) },
    figures: { value: store.figures.bind(store) },
  });
  return { log: createLog(counted, environment, options), store, disk, calls, lines };
}

describe("append", () => {
  it("hands the drafts of a turn to the store together, one with preconditions alone", async () => {
    const { log, calls } = openLog();
    const conditional = sampleDraft("ticks", 1, 1, { preconditions: [{ head: 99 }] });
    const results = await Promise.allSettled(
      [sampleDraft(), sampleDraft(), conditional, sampleDraft()].map((draft) => log.append(draft)),
    );
    assert.deepEqual(calls, [2, 1, 1]);
    assert.deepEqual(
      results.map((result) => (result.status === "fulfilled" ? result.value.position : result.reason.code)),
      [1, 2, "log_conflict", 3],
    );
    assert.equal(log.head.position, 3);
  });

  it("tells taps of a whole durable group, in order, before anything resolves", async () => {
    const { log, lines, calls, disk } = openLog();
    const events: unknown[] = [];
    log.tap(() => {
      throw new Error("a listener's own fault");
    });
    const end = log.tap((run) => {
      assert.equal(log.head.position, run.at(-1)!.position);
      events.push(positionsOf(run));
    });
    const append = () => log.append(sampleDraft()).then(({ position }) => events.push(position));
    const gate = Promise.withResolvers<void>();
    disk.sync = () => gate.promise;
    const appended = [append()];
    await new Promise((resolve) => setImmediate(resolve));
    // In turns of their own, but durable together.
    appended.push(append());
    await new Promise((resolve) => setImmediate(resolve));
    appended.push(append());
    await new Promise((resolve) => setImmediate(resolve));
    disk.sync = async () => {};
    gate.resolve();
    await Promise.all(appended);
    end();
    await log.append(sampleDraft());
    assert.deepEqual(calls, [1, 1, 1, 1]);
    assert.deepEqual(events, [[1], 1, [2, 3], 2, 3]);
    assert.deepEqual(lines, Array(3).fill("log_tap_failed"));
  });

  it("refuses at once what would wait beyond the limits, and takes more when there is room", async () => {
    const { log, disk } = openLog({ maxWaitingDrafts: 3 });
    const gate = Promise.withResolvers<void>();
    disk.sync = () => gate.promise;
    const waiting = [1, 2, 3].map(() => log.append(sampleDraft()));
    await assert.rejects(log.append(sampleDraft()), rejectsWith("overloaded"));
    assert.equal(log.figures().waitingDrafts, 3);
    gate.resolve();
    await Promise.all(waiting);
    assert.equal((await log.append(sampleDraft())).position, 4);
    assert.equal(log.figures().waitingBytes, 0);

    const small = openLog({ maxWaitingBytes: 2000 });
    const alone = small.log.append(sampleDraft("ticks", 1000));
    await assert.rejects(small.log.append(sampleDraft()), rejectsWith("overloaded"));
    await alone;
  });
});

describe("failure", () => {
  it("rejects everything that waited, and tells whoever judged on top of it first", async () => {
    const { log, disk } = openLog();
    await log.append(sampleDraft());
    const events: string[] = [];
    const note = (name: string, append: Promise<unknown>) =>
      append.catch((error: MillpondError) => events.push(`${name} ${error.code}`));
    log.onFailure((error) => {
      events.push(`failure ${error.code}`);
      note("after", log.append(sampleDraft())).catch(() => {});
    });
    let queued: Promise<unknown> = Promise.resolve();
    disk.sync = async () => {
      disk.sync = async () => {};
      // One draft in the store's queue, one not yet handed over when the failure arrives.
      queued = note("queued", log.append(sampleDraft()));
      await Promise.resolve();
      throw fail("log_storage_full");
    };
    await note("first", log.append(sampleDraft()));
    await queued;
    assert.deepEqual(events.slice(0, 3), [
      "failure log_storage_full",
      "first log_storage_full",
      "queued log_storage_full",
    ]);
    const { position } = await log.append(sampleDraft());
    assert.equal(position, 3, "the draft appended by the listener came through, and nothing else");
    assert.equal(log.figures().failures, 1);
    assert.deepEqual(positionsOf(await log.read(0)), [1, 2, 3]);
  });

  it("hands nothing to the store between its failure and the word of it", async () => {
    const { store } = openLog();
    const handed: number[] = [];
    const results: string[] = [];
    const note = (append: Promise<unknown>) =>
      append.then(
        () => results.push("stored"),
        (error: MillpondError) => results.push(error.code),
      );
    const failing: LogStore = Object.create(store, {
      head: { get: () => store.head },
      append: {
        value: async (drafts: readonly Draft[]) => {
          handed.push(drafts.length);
          if (handed.length > 1) return await store.append(drafts);
          // Somebody who was just running, and judged on top of what has failed.
          queueMicrotask(() => void note(log.append(sampleDraft())));
          throw fail("log_storage_full");
        },
      },
    });
    const log = createLog(failing, createEnvironment());
    log.onFailure(() => results.push("told"));
    await note(log.append(sampleDraft()));
    await Promise.resolve();
    assert.deepEqual([handed, results], [[1], ["told", "log_storage_full", "log_storage_full"]]);
    await note(log.append(sampleDraft()));
    assert.deepEqual([handed, results.at(-1)], [[1, 1], "stored"]);
  });

  it("stays read only after a failed sync, and goes on reading", async () => {
    const { log, disk } = openLog();
    await log.append(sampleDraft());
    disk.sync = () => Promise.reject(fail("log_read_only", { problem: "EIO" }));
    await assert.rejects(log.append(sampleDraft()), rejectsWith("log_read_only"));
    disk.sync = async () => {};
    await assert.rejects(log.append(sampleDraft()), rejectsWith("log_read_only"));
    assert.deepEqual(positionsOf(await log.read(0)), [1]);
    await log.close();
  });
});

describe("follow", () => {
  it("gives every commit once and in order, from anywhere, at any pace, while others append", async () => {
    const property = fc.asyncProperty(fc.integer(), fc.integer({ min: 0, max: 30 }), async (seed, before) => {
      const random = seededRandom(seed);
      const { log } = openLog({ tailBytes: 600 });
      for (let index = 0; index < before; index++) await log.append(sampleDraft());
      const total = before + 60;
      const afters = Array.from({ length: 4 }, () => Math.floor(random.next() * (before + 1)));
      const followers = afters.map(async (after) => {
        const seen: number[] = [];
        const limit = { commits: 1 + Math.floor(random.next() * 5) };
        for await (const run of log.follow(after, { signal: never, limit })) {
          seen.push(...positionsOf(run));
          for (let turns = random.next() * 4; turns > 0; turns--) await Promise.resolve();
          if (seen.at(-1) === total) break;
        }
        assert.deepEqual(
          seen,
          Array.from({ length: total - after }, (_, index) => after + 1 + index),
        );
      });
      for (let index = 0; index < 60; index++) {
        const appended = log.append(sampleDraft());
        if (random.next() < 0.5) await appended;
      }
      await Promise.all(followers);
      assert.equal(log.figures().followers, 0);
      assert.ok(log.figures().tailBytes <= 600);
    });
    await fc.assert(property, { numRuns: Number(process.env.MILLPOND_RUNS ?? 50) });
  });

  it("gives one dataset alone, from the store and live, and ends at a position", async () => {
    const { log } = openLog({ tailBytes: 300 });
    for (let index = 0; index < 20; index++) await log.append(sampleDraft(index % 4 === 0 ? "rare" : "ticks"));
    const seen: number[] = [];
    const limit = { datasets: ["rare"], through: 24 };
    const ended = (async () => {
      for await (const run of log.follow(0, { signal: never, limit })) seen.push(...positionsOf(run));
    })();
    for (let index = 20; index < 30; index++) await log.append(sampleDraft(index % 4 === 0 ? "rare" : "ticks"));
    await ended;
    assert.deepEqual(seen, [1, 5, 9, 13, 17, 21]);
  });

  it("ends without an error when its signal aborts or the log closes, and refuses positions that do not exist", async () => {
    const { log } = openLog();
    await log.append(sampleDraft());
    const controller = new AbortController();
    const collect = async (signal: AbortSignal): Promise<number[]> => {
      const seen: number[] = [];
      for await (const run of log.follow(0, { signal })) seen.push(...positionsOf(run));
      return seen;
    };
    const aborted = collect(controller.signal);
    const closed = collect(never);
    await log.append(sampleDraft());
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    assert.deepEqual(await aborted, [1, 2]);
    await assert.rejects(collectOne(log.follow(3, { signal: never })), rejectsWith("log_position_unknown"));
    await log.close();
    assert.deepEqual(await closed, [1, 2]);
  });
});

async function collectOne(runs: AsyncIterable<readonly Commit[]>): Promise<readonly Commit[]> {
  for await (const run of runs) return run;
  return [];
}

describe("waiting and closing", () => {
  it("waits for a position, until the signal or the end", async () => {
    const { log } = openLog();
    const reached = log.waitFor(2);
    const controller = new AbortController();
    const given = log.waitFor(99, controller.signal);
    const ended = log.waitFor(99);
    await log.append(sampleDraft());
    await log.append(sampleDraft());
    await reached;
    controller.abort(new Error("enough"));
    await assert.rejects(given, /enough/);
    await Promise.all([assert.rejects(ended, rejectsWith("log_closed")), log.close()]);
  });

  it("closes after what is under way is durable", async () => {
    const { log, disk, store } = openLog();
    const gate = Promise.withResolvers<void>();
    disk.sync = () => gate.promise;
    const appended = log.append(sampleDraft());
    const closing = log.close();
    await assert.rejects(log.append(sampleDraft()), rejectsWith("log_closed"));
    gate.resolve();
    assert.equal((await appended).position, 1);
    await closing;
    assert.equal(store.disk.length, 1);
  });

  it("reads stored and cached commits alike, never beyond what taps were told", async () => {
    const { log, store } = openLog({ tailBytes: 400 });
    for (let index = 0; index < 12; index++) await log.append(sampleDraft("ticks", 1, index));
    for (let after = 0; after <= 12; after++) {
      const stored = await store.read(after, { commits: 3 });
      const read = await log.read(after, { commits: 3 });
      assert.deepEqual(positionsOf(read), positionsOf(stored));
      assert.deepEqual(
        read.map(({ hash, changes }) => [hash, changes[0]!.bytes]),
        stored.map(({ hash, changes }) => [hash, changes[0]!.bytes]),
      );
    }
    store.append([sampleDraft()]).catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await log.read(0)).length, 12);
  });
});
