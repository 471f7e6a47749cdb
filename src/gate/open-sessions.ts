/** The speculative side of feed sessions: what is numbered and judged on top of what is durable. */
import type { MillpondError } from "../base/index.ts";
import { Lane } from "./lane.ts";
import { type SessionBatch, type Sessions, sessionKey } from "./sessions.ts";
import type { Admission } from "./types.ts";

export class OpenSession {
  /** The last batch taken in, durable or not. */
  last: number;
  /** Batches that wait; those of this session behind them wait as well. */
  waiting = 0;
  readonly lane = new Lane();
  readonly inFlight = new Map<number, Promise<Admission>>();
  /** Newest accepted event time by dataset, where it is known to be ahead of the durable one. */
  readonly newest = new Map<string, number>();
  /** Raised when a batch failed before it was judged: those behind it do not follow any more. */
  generation = 0;
  failure: MillpondError | undefined;

  constructor(last: number) {
    this.last = last;
  }
  /** Takes back the numbers from a failed batch on. */
  failFrom(batch: number, error: MillpondError): void {
    this.generation += 1;
    this.failure = error;
    this.last = Math.min(this.last, batch - 1);
    for (const number of [...this.inFlight.keys()]) if (number >= batch) this.inFlight.delete(number);
  }
}

export class OpenSessions {
  readonly #durable: Sessions;
  #open = new Map<string, OpenSession>();

  constructor(durable: Sessions) {
    this.#durable = durable;
  }
  get(feed: string, session: string): OpenSession | undefined {
    return this.#open.get(sessionKey(feed, session));
  }
  take(feed: string, session: string): OpenSession {
    const key = sessionKey(feed, session);
    let open = this.#open.get(key);
    if (open === undefined) {
      open = new OpenSession(this.#durable.last(feed, session)?.batch ?? 0);
      this.#open.set(key, open);
    }
    return open;
  }
  /** What is durable of a session is forgotten here once nothing is under way. */
  release(feed: string, session: string, open: OpenSession): void {
    if (open.inFlight.size > 0 || open.waiting > 0) return;
    const key = sessionKey(feed, session);
    const durable = this.#durable.last(feed, session)?.batch ?? 0;
    if (durable >= open.last && this.#open.get(key) === open) this.#open.delete(key);
  }
  newestTime(feed: string, session: string, dataset: string): number {
    return this.get(feed, session)?.newest.get(dataset) ?? this.#durable.newestTime(feed, session, dataset);
  }
  /** The durable answer to a batch number that was durable before. */
  repeated(feed: string, session: string, batch: number): Admission | undefined {
    const last = this.#durable.last(feed, session);
    if (last === undefined || batch > last.batch) return undefined;
    const known = this.#durable.find(feed, session, batch);
    if (known !== undefined) return repeatedAdmission(known);
    const oldest = this.#durable.oldest(feed, session) ?? last;
    const none = { received: 0, accepted: 0, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
    return repeatedAdmission({ ...oldest, account: none });
  }
  clear(): void {
    this.#open = new Map();
  }
}

function repeatedAdmission({ position, at, hash, account }: SessionBatch): Admission {
  return { receipt: { position, at, hash }, account, rejections: [], repeated: true };
}
