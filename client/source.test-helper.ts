/** For tests: a log in memory whose reads may be interrupted, and a dataset of ticks. */
import { type Random, seededRandom } from "../src/base/index.ts";
import { batchOfRows, encodeBatch, type Layout } from "../src/batch/index.ts";
import type { ContractVersion, SeriesContract } from "../src/contract/index.ts";
import type { Cause, Change, Commit, Operation, Position } from "../src/log/index.ts";
import type { StreamSource } from "../src/subscribe/index.ts";

export const tickLayout: Layout = [
  { name: "symbol", type: "text", nullable: false },
  { name: "time", type: "instant", nullable: false },
  { name: "bid", type: "float", nullable: false },
  { name: "venue", type: "text", nullable: true },
];

const declared = { nullable: false, classification: "internal", personalData: "none" } as const;

export const tickContract: SeriesContract = {
  kind: "series",
  name: "ticks",
  description: "Ticks for tests.",
  fields: {
    symbol: { ...declared, type: "text" },
    time: { ...declared, type: "instant" },
    bid: { ...declared, type: "float" },
    venue: { ...declared, type: "text", nullable: true },
  },
  layout: tickLayout,
  key: ["symbol"],
  time: "time",
  identity: "content",
  rules: [],
  lateness: null,
  keepRaw: false,
  retention: null,
};

export const otherContract: SeriesContract = { ...tickContract, name: "other" };

export interface Tick {
  readonly symbol: string;
  readonly time: number;
  readonly bid: number;
  readonly venue: string | null;
}

export const tick = (number: number, symbol = `S${number % 5}`): Tick => ({
  symbol,
  time: 1_700_000_000_000_000 + number * 1000,
  bid: number,
  venue: number % 3 === 0 ? null : "XLON",
});

export function changeOf(rows: readonly Tick[], operation: Operation = "append", dataset = "ticks"): Change {
  const batch = batchOfRows(tickLayout, rows as readonly (Tick & Record<string, unknown>)[]);
  return { dataset, contract: 1, operation, batch, bytes: encodeBatch(batch) };
}

const feedCause: Cause = {
  kind: "feed",
  feed: "test",
  session: "s",
  batch: 1,
  dataset: "ticks",
  account: { received: 0, accepted: 0, duplicate: 0, quarantined: 0, late: 0, refused: 0 },
};

export class FakeSource implements StreamSource {
  readonly contracts: ReadonlyMap<string, ContractVersion> = new Map([
    ["ticks", { version: 1, contract: tickContract }],
    ["other", { version: 1, contract: otherContract }],
  ]);
  readonly commits: Commit[] = [];
  /** Called in the middle of every read, before and after the store is looked at. */
  onRead: () => void = () => {};
  failReads = false;
  windows: { layout: Layout; batch: Change["batch"]; asOf: Position } | undefined;
  readonly #taps = new Set<(run: readonly Commit[]) => void>();
  #untold: Commit[] = [];

  head(): Position {
    return this.commits.length - this.#untold.length;
  }
  tap(listener: (run: readonly Commit[]) => void): () => void {
    this.#taps.add(listener);
    return () => this.#taps.delete(listener);
  }
  async read(after: Position, limit: { commits?: number; datasets?: readonly string[] }): Promise<readonly Commit[]> {
    this.onRead();
    await Promise.resolve();
    if (this.failReads) throw new Error("the disk is gone");
    const found = this.commits
      .slice(after)
      .filter(({ changes }) => changes.some(({ dataset }) => limit.datasets?.includes(dataset) ?? true))
      .slice(0, limit.commits);
    this.onRead();
    await Promise.resolve();
    this.onRead();
    return found;
  }
  provisional(dataset: string): { layout: Layout; batch: Change["batch"]; asOf: Position } | undefined {
    return dataset === "ticks" ? this.windows : undefined;
  }

  /** Stores a commit; taps hear of it by `tell`, as a real log does it a moment later. */
  store(changes: readonly Change[], cause: Cause = feedCause): Position {
    const position = this.commits.length + 1;
    const empty = new Uint8Array(32);
    const commit = { position, at: position, actor: "feed:test", cause, changes, previous: empty, hash: empty };
    this.commits.push(commit);
    this.#untold.push(commit);
    return position;
  }
  tell(): void {
    const run = this.#untold;
    this.#untold = [];
    if (run.length > 0) for (const listener of this.#taps) listener(run);
  }
  append(rows: readonly Tick[], operation: Operation = "append"): Position {
    const position = this.store([changeOf(rows, operation)]);
    this.tell();
    return position;
  }
  /** One random step of a busy log: ticks, other rows, several commits in a run, stored but not told yet. */
  step(random: Random, next: () => number): void {
    const roll = random.next();
    if (roll < 0.2) this.store([changeOf([tick(0)], "append", "other")]);
    else if (roll < 0.9)
      this.store([changeOf(Array.from({ length: 1 + Math.floor(random.next() * 3) }, () => tick(next())))]);
    if (random.next() < 0.6) this.tell();
  }
}

export const seeded = (seed: number): Random => seededRandom(seed);
