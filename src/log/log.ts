/**
 * The log as the other rooms hold it: grouping, limits and failure around a store; reading, following and waiting are
 * in `follow.ts`. What must hold: commits reach taps in order and before their promises resolve, and a failure reaches
 * its listeners before anything appended afterwards is handed to the store.
 */
import { asMillpondError, type Environment, fail, type MillpondError } from "../base/index.ts";
import { followLog, HeadWaiters } from "./follow.ts";
import { payloadBytes } from "./header.ts";
import { Tail } from "./tail.ts";
import type {
  Commit,
  Draft,
  FollowOptions,
  Head,
  Log,
  LogFigures,
  LogOptions,
  LogStore,
  Position,
  ReadLimit,
  Receipt,
  VerifyReport,
} from "./types.ts";

/** Drafts of one turn beyond this go to the store in more than one call, so that no call outgrows its buffers. */
const CALL_DRAFTS = 512;
const CALL_BYTES = 4 * 1024 * 1024;
/** What a waiting draft costs beside its payload: header and bookkeeping. */
const DRAFT_BYTES = 512;

interface Waiting {
  readonly draft: Draft;
  readonly bytes: number;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: MillpondError) => void;
}

/** One call to the store and how it ended. */
interface Call {
  readonly waiting: readonly Waiting[];
  readonly receipts?: readonly Receipt[];
  readonly error?: MillpondError;
}

/** A log on an open store, which it owns from now on and closes. */
export function createLog(store: LogStore, environment: Environment, options: LogOptions = {}): Log {
  return new StoreLog(store, environment, options);
}

class StoreLog implements Log {
  readonly #store: LogStore;
  readonly #environment: Environment;
  readonly #tail: Tail;
  readonly #maxWaitingBytes: number;
  readonly #maxWaitingDrafts: number;
  readonly #waiters = new HeadWaiters();
  readonly #taps = new Set<(run: readonly Commit[]) => void>();
  readonly #failureListeners = new Set<(error: MillpondError) => void>();
  #head: Head;
  #queue: Waiting[] = [];
  #ended: Call[] = [];
  #flushing = false;
  /** From the store's failure until its listeners were told: nothing may be handed over in between. */
  #failing = false;
  #waitingDrafts = 0;
  #waitingBytes = 0;
  #followers = 0;
  #failures = 0;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  constructor(store: LogStore, environment: Environment, options: LogOptions) {
    this.#store = store;
    this.#environment = environment;
    this.#head = store.head;
    this.#tail = new Tail(options.tailBytes ?? 64 * 1024 * 1024);
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 64 * 1024 * 1024;
    this.#maxWaitingDrafts = options.maxWaitingDrafts ?? 65_536;
  }
  get head(): Head {
    return this.#head;
  }

  append(draft: Draft): Promise<Receipt> {
    if (this.#closing !== undefined) return Promise.reject(fail("log_closed"));
    const bytes = payloadBytes(draft.changes) + DRAFT_BYTES;
    if (this.#waitingDrafts >= this.#maxWaitingDrafts) {
      return Promise.reject(fail("overloaded", { limit: `${this.#maxWaitingDrafts} drafts` }));
    }
    if (this.#waitingDrafts > 0 && this.#waitingBytes + bytes > this.#maxWaitingBytes) {
      return Promise.reject(fail("overloaded", { limit: `${this.#maxWaitingBytes} bytes` }));
    }
    this.#waitingDrafts += 1;
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      this.#queue.push({ draft, bytes, resolve, reject });
      if (this.#flushing) return;
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    });
  }

  tap(listener: (run: readonly Commit[]) => void): () => void {
    this.#taps.add(listener);
    return () => this.#taps.delete(listener);
  }
  onFailure(listener: (error: MillpondError) => void): () => void {
    this.#failureListeners.add(listener);
    return () => this.#failureListeners.delete(listener);
  }

  follow(after: Position, options: FollowOptions): AsyncIterable<readonly Commit[]> {
    return followLog(
      {
        head: () => this.#head,
        closed: () => this.#closing !== undefined && this.#waitingDrafts === 0,
        read: (from, limit) => this.read(from, limit),
        waiters: this.#waiters,
        count: (change) => {
          this.#followers += change;
        },
      },
      after,
      options,
    );
  }
  read(after: Position, limit: ReadLimit = {}): Promise<readonly Commit[]> {
    // Not beyond what the taps have seen, so that nobody reads a commit before it was announced.
    const through = Math.min(limit.through ?? this.#head.position, this.#head.position);
    if (after >= through) return Promise.resolve([]);
    const bounded = { ...limit, through };
    const cached = this.#tail.after(after, bounded);
    return cached === undefined ? this.#store.read(after, bounded) : Promise.resolve(cached);
  }
  positionAt(at: number): Promise<Position> {
    return this.#store.positionAt(at);
  }
  verify(from?: Position, onProgress?: (position: Position) => void): Promise<VerifyReport> {
    return this.#store.verify(from, onProgress);
  }
  async waitFor(position: Position, signal?: AbortSignal): Promise<void> {
    while (this.#head.position < position) {
      signal?.throwIfAborted();
      if (this.#closing !== undefined && this.#waitingDrafts === 0) throw fail("log_closed");
      await this.#waiters.next(signal);
    }
  }

  figures(): LogFigures {
    return {
      head: this.#head,
      waitingDrafts: this.#waitingDrafts,
      waitingBytes: this.#waitingBytes,
      tailCommits: this.#tail.count,
      tailBytes: this.#tail.bytes,
      followers: this.#followers,
      failures: this.#failures,
      store: this.#store.figures(),
    };
  }
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }
  async #drain(): Promise<void> {
    if (this.#waitingDrafts > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    this.#waiters.wake();
    await this.#store.close();
  }

  /** Hands the queue to the store. A draft with preconditions goes alone: its conflict must not reject others. */
  #flush(): void {
    this.#flushing = false;
    if (this.#failing) return;
    const queue = this.#queue;
    this.#queue = [];
    let call: Waiting[] = [];
    let bytes = 0;
    for (const waiting of queue) {
      const alone = waiting.draft.preconditions !== undefined;
      if (call.length > 0 && (alone || call.length >= CALL_DRAFTS || bytes + waiting.bytes > CALL_BYTES)) {
        this.#hand(call);
        call = [];
        bytes = 0;
      }
      call.push(waiting);
      bytes += waiting.bytes;
      if (alone) {
        this.#hand(call);
        call = [];
        bytes = 0;
      }
    }
    if (call.length > 0) this.#hand(call);
  }
  #hand(waiting: readonly Waiting[]): void {
    this.#store.append(waiting.map(({ draft }) => draft)).then(
      (receipts) => this.#end({ waiting, receipts }),
      (error: unknown) => this.#end({ waiting, error: asMillpondError(error) }),
    );
  }

  /** The store settles the calls of a group in one stretch: the microtask below runs behind all of them. */
  #end(call: Call): void {
    this.#ended.push(call);
    if (call.error !== undefined && call.error.code !== "log_conflict") this.#failing = true;
    if (this.#ended.length === 1) queueMicrotask(() => this.#deliver());
  }
  #deliver(): void {
    const ended = this.#ended;
    this.#ended = [];
    const run: Commit[] = [];
    let failure: MillpondError | undefined;
    for (const { waiting, receipts, error } of ended) {
      if (receipts) this.#commit(waiting, receipts, run);
      else if (error && error.code !== "log_conflict") failure ??= error;
    }
    if (run.length > 0) this.#announce(this.#taps, run, "log_tap_failed");
    let dropped: Waiting[] = [];
    if (failure !== undefined) {
      dropped = this.#queue;
      this.#queue = [];
      this.#failing = false;
      this.#failures += 1;
      this.#environment.logger.log("error", "log_append_failed", { code: failure.code, message: failure.message });
      this.#announce(this.#failureListeners, failure, "log_failure_listener_failed");
    }
    for (const call of ended) this.#settle(call);
    if (failure !== undefined) this.#settle({ waiting: dropped, error: failure });
    if (run.length > 0 || this.#closing !== undefined) this.#waiters.wake();
    if (this.#waitingDrafts === 0) this.#drained?.();
  }
  #commit(waiting: readonly Waiting[], receipts: readonly Receipt[], run: Commit[]): void {
    for (let index = 0; index < waiting.length; index++) {
      const { actor, cause, changes } = waiting[index]!.draft;
      const { position, at, hash } = receipts[index]!;
      const commit: Commit = { position, at, actor, cause, changes, previous: this.#head.hash, hash };
      this.#head = { position, at, hash };
      this.#tail.push(commit);
      run.push(commit);
    }
  }
  #settle({ waiting, receipts, error }: Call): void {
    for (let index = 0; index < waiting.length; index++) {
      const { bytes, resolve, reject } = waiting[index]!;
      this.#waitingDrafts -= 1;
      this.#waitingBytes -= bytes;
      if (receipts) resolve(receipts[index]!);
      else if (error) reject(error);
    }
  }
  #announce<T>(listeners: ReadonlySet<(value: T) => void>, value: T, event: string): void {
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#environment.logger.log("error", event, { problem });
      }
    }
  }
}
