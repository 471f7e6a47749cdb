/** Small drafts and a clock that tests move by hand, for whatever is tried against a log. */
import { type Clock, createEnvironment, type Environment } from "../src/base/index.ts";
import { type Batch, batchOfCells, encodeBatch, type Layout } from "../src/batch/index.ts";
import type { Cause, Change, Draft } from "../src/log/index.ts";

export const sampleLayout: Layout = [
  { name: "symbol", type: "text", nullable: false },
  { name: "time", type: "instant", nullable: false },
  { name: "bid", type: "float", nullable: true },
];

export function sampleBatch(rows: number, seed = 0): Batch {
  const cells = Array.from({ length: rows }, (_, index) => [
    `S${(seed + index) % 7}`,
    1_700_000_000_000_000 + seed * 1000 + index,
    index % 5 === 4 ? null : 1 + (seed % 100) / 100,
  ]);
  return batchOfCells(sampleLayout, cells);
}

export function sampleChange(dataset: string, rows = 1, seed = 0): Change {
  const batch = sampleBatch(rows, seed);
  return { dataset, contract: 1, operation: "append", batch, bytes: encodeBatch(batch) };
}

export function sampleCause(dataset: string, rows: number, batch: number): Cause {
  const account = { received: rows, accepted: rows, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
  return { kind: "feed", feed: "sample", session: "session-1", batch, dataset, account };
}

/** One batch of a feed, as a draft. Equal arguments give equal drafts. */
export function sampleDraft(dataset = "ticks", rows = 1, seed = 0, more: Partial<Draft> = {}): Draft {
  return {
    actor: "feed:sample",
    cause: sampleCause(dataset, rows, seed),
    changes: [sampleChange(dataset, rows, seed)],
    ...more,
  };
}

export interface ManualClock extends Clock {
  /** Microseconds, either way. */
  move(micros: number): void;
}

export function manualClock(start = 1_790_000_000_000_000): ManualClock {
  let now = start;
  return {
    now: () => now,
    monotonicMs: () => performance.now(),
    move: (micros) => {
      now += micros;
    },
  };
}

export function sampleEnvironment(clock: Clock = manualClock()): Environment {
  return createEnvironment({ clock });
}
