/**
 * What is durable of feed sessions: the last batch numbers with their receipts, so that a repetition is answered
 * instead of stored, and the newest accepted event time, by which lateness is measured. Folded from the log.
 *
 * Bounded: the 10,000 most recently active sessions, of each its last 128 batches, of those long silent their last 8.
 * An older session starts again at batch 1; its rows are still told as duplicates by their content.
 */
import type { Contract } from "../contract/index.ts";
import type { Account, Commit, Fold, Position, Receipt } from "../log/index.ts";

/** One durable batch of a session. */
export interface SessionBatch extends Receipt {
  readonly batch: number;
  readonly position: Position;
  readonly account: Account;
}

export interface Sessions extends Fold {
  /** The last durable batch; undefined for a session without any, or a forgotten one. */
  last(feed: string, session: string): SessionBatch | undefined;
  /** One of the last batches; undefined beyond what is remembered. */
  find(feed: string, session: string, batch: number): SessionBatch | undefined;
  /** The oldest batch remembered. */
  oldest(feed: string, session: string): SessionBatch | undefined;
  /** The newest event time accepted from the session into a dataset; -Infinity where there is none. */
  newestTime(feed: string, session: string, dataset: string): number;
  readonly count: number;
}

interface Remembered {
  /** Oldest first. */
  readonly batches: SessionBatch[];
  readonly newest: Map<string, number>;
}

const MOST_SESSIONS = 10_000;
/** More than any client has in flight, so that whatever it sends again after a lost link gets its own receipt. */
const MOST_BATCHES = 128;
/** Of all sessions together; beyond it the least recently active ones keep only their last few. */
const MOST_REMEMBERED = 20_000;
const FEWEST_BATCHES = 8;

/** One text for two: neither part can hold a NUL. */
export const sessionKey = (feed: string, session: string): string => `${feed}\0${session}`;

/** The contract is asked for by the version of a change, because the place of the time column may differ. */
export function createSessions(
  contractOf: (dataset: string, version: number) => Contract | undefined,
  mostSessions = MOST_SESSIONS,
): Sessions {
  return new SessionsFold(contractOf, mostSessions);
}

class SessionsFold implements Sessions {
  readonly name = "gate-sessions";
  readonly version = 1;
  readonly #contractOf: (dataset: string, version: number) => Contract | undefined;
  readonly #mostSessions: number;
  /** Least recently active first. */
  #sessions = new Map<string, Remembered>();
  #remembered = 0;

  constructor(contractOf: (dataset: string, version: number) => Contract | undefined, mostSessions: number) {
    this.#contractOf = contractOf;
    this.#mostSessions = mostSessions;
  }
  get count(): number {
    return this.#sessions.size;
  }
  last(feed: string, session: string): SessionBatch | undefined {
    return this.#sessions.get(sessionKey(feed, session))?.batches.at(-1);
  }
  find(feed: string, session: string, batch: number): SessionBatch | undefined {
    return this.#sessions.get(sessionKey(feed, session))?.batches.find((known) => known.batch === batch);
  }
  oldest(feed: string, session: string): SessionBatch | undefined {
    return this.#sessions.get(sessionKey(feed, session))?.batches[0];
  }
  newestTime(feed: string, session: string, dataset: string): number {
    return this.#sessions.get(sessionKey(feed, session))?.newest.get(dataset) ?? Number.NEGATIVE_INFINITY;
  }

  apply(run: readonly Commit[]): void {
    for (const commit of run) if (commit.cause.kind === "feed") this.#apply(commit, commit.cause);
  }
  save(): unknown {
    return [...this.#sessions].map(([key, { batches, newest }]) => [key, [...batches], [...newest]]);
  }
  load(saved: unknown): void {
    const sessions = saved as [string, SessionBatch[], [string, number][]][];
    this.#sessions = new Map(
      sessions.map(([key, batches, newest]) => [key, { batches: [...batches], newest: new Map(newest) }]),
    );
    this.#remembered = sessions.reduce((sum, [, batches]) => sum + batches.length, 0);
  }
  reset(): void {
    this.#sessions = new Map();
    this.#remembered = 0;
  }

  #apply({ position, at, hash, changes }: Commit, cause: Extract<Commit["cause"], { kind: "feed" }>): void {
    const key = sessionKey(cause.feed, cause.session);
    const known = this.#sessions.get(key) ?? { batches: [], newest: new Map<string, number>() };
    this.#sessions.delete(key);
    this.#sessions.set(key, known);
    known.batches.push({ batch: cause.batch, position, at, hash, account: cause.account });
    this.#remembered += 1;
    if (known.batches.length > MOST_BATCHES) this.#cut(known, MOST_BATCHES);
    for (const { dataset, contract: version, batch } of changes) {
      const contract = dataset === cause.dataset ? this.#contractOf(dataset, version) : undefined;
      const column = batch.columns[contract?.layout.findIndex(({ name }) => name === contract.time) ?? -1];
      if (column?.kind !== "number") continue;
      const newest = largest(column.values, known.newest.get(dataset) ?? Number.NEGATIVE_INFINITY);
      if (newest > Number.NEGATIVE_INFINITY) known.newest.set(dataset, newest);
    }
    if (this.#sessions.size > this.#mostSessions) this.#forgetOldest();
    if (this.#remembered > MOST_REMEMBERED) this.#tidy();
  }
  #cut({ batches }: Remembered, most: number): void {
    if (batches.length <= most) return;
    this.#remembered -= batches.length - most;
    batches.splice(0, batches.length - most);
  }
  #forgetOldest(): void {
    const [key, known] = this.#sessions.entries().next().value!;
    this.#cut(known, 0);
    this.#sessions.delete(key);
  }
  /** To three quarters of the limit, so that it is seldom done; where every session is short already, that is enough. */
  #tidy(): void {
    for (const known of this.#sessions.values()) {
      if (this.#remembered <= MOST_REMEMBERED * 0.75) return;
      this.#cut(known, FEWEST_BATCHES);
    }
  }
}

function largest(values: Float64Array, atLeast: number): number {
  let found = atLeast;
  for (let place = 0; place < values.length; place++) if (values[place]! > found) found = values[place]!;
  return found;
}
