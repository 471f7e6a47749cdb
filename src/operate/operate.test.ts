import assert from "node:assert/strict";
import { test } from "node:test";
import { createEnvironment, seededRandom, type Timers } from "../base/index.ts";
import { createChainRegistry, createSupervisor, type Hop } from "./index.ts";

/** Timers that note the wanted delays and wake at once. */
function hurriedTimers(delaysMs: number[]): Timers {
  return {
    delay: async (delayMs, signal) => {
      delaysMs.push(delayMs);
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    },
    after: () => () => {},
  };
}

const settle = async (condition: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 1_000 && !condition(); turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(condition());
};

test("a failing task is started again with growing delays until it succeeds", async () => {
  const delaysMs: number[] = [];
  const supervisor = createSupervisor(createEnvironment({ timers: hurriedTimers(delaysMs), random: seededRandom(3) }));
  let attempts = 0;
  supervisor.run("flaky", async () => {
    attempts += 1;
    if (attempts <= 4) throw new Error(`attempt ${attempts}`);
  });
  await settle(() => supervisor.snapshot()[0]!.state === "stopped");
  const [task] = supervisor.snapshot();
  assert.deepEqual([task!.starts, task!.failures], [5, 4]);
  assert.match(task!.lastError!, /^internal: /);
  for (const [index, delayMs] of delaysMs.entries()) {
    const middle = 100 * 2 ** index;
    assert.ok(delayMs >= middle * 0.75 && delayMs <= middle * 1.25, `delay ${index} is ${delayMs}`);
  }
  await supervisor.close();
});

test("a task that keeps failing is given up and stays visible", async () => {
  const supervisor = createSupervisor(createEnvironment({ timers: hurriedTimers([]) }));
  supervisor.run("hopeless", () => Promise.reject(new Error("no")), { cutOff: { failures: 3, withinMs: 60_000 } });
  await settle(() => supervisor.snapshot()[0]!.state === "given-up");
  assert.equal(supervisor.snapshot()[0]!.starts, 4);
  await supervisor.close();
});

test("closing stops every task and waits for its clean-up: none is left", async () => {
  const supervisor = createSupervisor(createEnvironment());
  let cleaned = 0;
  for (const name of ["one", "two"]) {
    supervisor.run(name, async (signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await new Promise((resolve) => setImmediate(resolve));
      cleaned += 1;
    });
  }
  await settle(() => supervisor.snapshot().every(({ state }) => state === "running"));
  await supervisor.close();
  assert.equal(cleaned, 2);
  assert.deepEqual(
    supervisor.snapshot().map(({ state }) => state),
    ["stopped", "stopped"],
  );
});

test("chains are discovered from the declarations, flows of flows included, circles not followed", () => {
  const probe = (): Omit<Hop, "kind" | "name"> => ({});
  const registry = createChainRegistry(
    {
      feeds: [{ feed: "mt5", dataset: "ticks" }],
      flows: [
        { flow: "candles", source: "ticks", into: "candles_1m" },
        { flow: "indicators", source: "candles_1m", into: "indicators_1m" },
        { flow: "circle", source: "indicators_1m", into: "ticks" },
      ],
      views: ["latest", "series"],
    },
    probe,
  );
  const chains = registry.snapshot();
  assert.deepEqual(
    chains.map(({ name }) => name),
    ["mt5 → ticks", "mt5 → ticks → candles_1m", "mt5 → ticks → candles_1m → indicators_1m"],
  );
  assert.deepEqual(
    chains[2]!.hops.map(({ kind }) => kind),
    ["feed", "gate", "log", "flow", "flow", "view", "view", "subscribers"],
  );
});
