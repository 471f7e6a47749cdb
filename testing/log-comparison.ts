/** Random sequences of commands on a log and on the in-memory reference: equal answers, equal hashes, step by step. */
import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { MillpondError } from "../src/base/index.ts";
import { createMemoryLog } from "../src/engine/memory/index.ts";
import type { Draft, LogStore, Precondition, ReadLimit, Receipt } from "../src/log/index.ts";
import { type LogHarness, type OpenLogHarness, plainCommit } from "./log-conformance.ts";
import { type ManualClock, manualClock, sampleDraft, sampleEnvironment } from "./log-samples.ts";

interface Model {
  readonly clock: ManualClock;
  reference: LogStore & { readonly disk: Parameters<typeof createMemoryLog>[0]["disk"] };
}
interface Real {
  readonly harness: LogHarness;
  store: LogStore;
}
type Command = fc.AsyncCommand<Model, Real>;

type CallShape = readonly { readonly dataset: string; readonly rows: number; readonly condition: number | null }[];

/** Several calls made in one turn, each of several drafts. */
class AppendCommand implements Command {
  readonly calls: readonly CallShape[];
  constructor(calls: readonly CallShape[]) {
    this.calls = calls;
  }
  check = (): boolean => true;
  async run({ clock, reference }: Model, { store }: Real): Promise<void> {
    clock.move(7);
    const head = reference.head.position;
    const drafts = this.calls.map((call) => call.map((shape) => draftOf(shape, head)));
    const expected = await outcomes(drafts.map((call) => reference.append(call)));
    assert.deepEqual(await outcomes(drafts.map((call) => store.append(call))), expected);
    assert.deepEqual(plainReceipt(store.head), plainReceipt(reference.head));
  }
  toString = (): string => `append ${JSON.stringify(this.calls)}`;
}

class ReadCommand implements Command {
  readonly after: number;
  readonly limit: ReadLimit;
  constructor(after: number, limit: ReadLimit) {
    this.after = after;
    this.limit = limit;
  }
  check = (): boolean => true;
  async run({ reference }: Model, { store }: Real): Promise<void> {
    const expected = await reference.read(this.after, this.limit);
    assert.deepEqual((await store.read(this.after, this.limit)).map(plainCommit), expected.map(plainCommit));
  }
  toString = (): string => `read ${this.after} ${JSON.stringify(this.limit)}`;
}

class ClockCommand implements Command {
  readonly micros: number;
  constructor(micros: number) {
    this.micros = micros;
  }
  check = (): boolean => true;
  async run({ clock, reference }: Model, { store }: Real): Promise<void> {
    clock.move(this.micros);
    assert.equal(await store.positionAt(clock.now()), await reference.positionAt(clock.now()));
  }
  toString = (): string => `clock ${this.micros}`;
}

class ReopenCommand implements Command {
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    await model.reference.close();
    const { disk } = model.reference;
    model.reference = createMemoryLog({ environment: { clock: model.clock }, ...(disk ? { disk } : {}) });
    real.store = await real.harness.reopen();
    assert.deepEqual(plainReceipt(real.store.head), plainReceipt(model.reference.head));
    const report = await real.store.verify();
    assert.equal(report.fault, undefined);
    assert.equal(report.commits, model.reference.head.position);
  }
  toString = (): string => "reopen";
}

function draftOf({ dataset, rows, condition }: CallShape[number], head: number): Draft {
  if (condition === null) return sampleDraft(dataset, rows, rows);
  const position = Math.max(0, head + condition);
  const preconditions: Precondition[] =
    condition % 2 === 0 ? [{ head: position }] : [{ dataset, unchangedSince: position }];
  return sampleDraft(dataset, rows, rows, { preconditions });
}

const plainReceipt = ({ position, at, hash }: Receipt) => ({ position, at, hash: Buffer.from(hash).toString("hex") });

async function outcomes(calls: readonly Promise<readonly Receipt[]>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((result) => {
    if (result.status === "fulfilled") return result.value.map(plainReceipt);
    return result.reason instanceof MillpondError ? result.reason.toJSON() : result.reason;
  });
}

const datasets = fc.constantFrom("ticks", "tick", "candles_1m", "börse");
const shape = fc.record({
  dataset: datasets,
  rows: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 40 }) }, fc.constant(5000)),
  condition: fc.option(fc.integer({ min: -3, max: 2 }), { freq: 3 }),
});
const limits = fc.record(
  {
    commits: fc.integer({ min: 1, max: 20 }),
    bytes: fc.integer({ min: 0, max: 5000 }),
    through: fc.integer({ min: 0, max: 60 }),
    datasets: fc.uniqueArray(datasets, { minLength: 1 }),
  },
  { requiredKeys: [] },
);
const commands = [
  fc.array(fc.array(shape, { minLength: 1, maxLength: 4 }), { maxLength: 6 }).map((calls) => new AppendCommand(calls)),
  fc.tuple(fc.integer({ min: 0, max: 60 }), limits).map(([after, limit]) => new ReadCommand(after, limit)),
  fc.integer({ min: -5_000_000, max: 5_000_000 }).map((micros) => new ClockCommand(micros)),
  fc.constant(new ReopenCommand()),
];

export function compareLogs(name: string, open: OpenLogHarness, runs = 15): void {
  it(`${name} answers as the reference does, whatever the sequence`, async () => {
    const property = fc.asyncProperty(fc.commands(commands, { maxCommands: 14 }), async (sequence) => {
      const clock = manualClock();
      const environment = sampleEnvironment(clock);
      const harness = await open(environment);
      const reference = createMemoryLog({ environment });
      try {
        await fc.asyncModelRun(
          () => ({ model: { clock, reference }, real: { harness, store: harness.store } }),
          sequence,
        );
      } finally {
        await harness.dispose();
      }
    });
    await fc.assert(property, { numRuns: Number(process.env.MILLPOND_RUNS ?? runs) });
  });
}
