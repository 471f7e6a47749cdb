/**
 * The main thread's side: judges preconditions, gives positions and instants, hands drafts to the writing worker and
 * settles them when it rings. Nothing here ever blocks. Entries that found no room in the ring wait in `#pending`; how
 * much may wait is the business of the log above.
 */
import type { MessagePort, Worker } from "node:worker_threads";
import { assert, type Environment, fail, type MillpondError } from "../../base/index.ts";
import {
  type Commit,
  type Draft,
  encodeHeader,
  type Head,
  type LogStore,
  type Position,
  payloadBytes,
  type ReadLimit,
  type Receipt,
  type StoreFigures,
  Touched,
  touchedDatasets,
  type VerifyReport,
} from "../../log/index.ts";
import type { MarkSync } from "./mark-sync.ts";
import type { FromWriter, LargeCommits } from "./messages.ts";
import type { ReaderClient } from "./reader.ts";
import {
  cell,
  entryBytes,
  entryKind,
  HASH_BYTES,
  type OutgoingCommit,
  type OutgoingEntry,
  RingWriter,
  type SharedRing,
  type Slot,
} from "./ring.ts";
import { datasetsText } from "./schema.ts";

const PAGE_BYTES = 4096;

/** One `append` on its way; `entry` is dropped once it is written. */
interface Call {
  readonly drafts: readonly Draft[];
  readonly first: Position;
  readonly at: number;
  readonly bytes: number;
  readonly resolve: (receipts: readonly Receipt[]) => void;
  readonly reject: (error: MillpondError) => void;
}

export interface SqliteLogParts {
  readonly environment: Environment;
  readonly worker: Worker;
  readonly port: MessagePort;
  readonly ring: SharedRing;
  readonly head: Head;
  readonly touched: readonly (readonly [string, Position])[];
  readonly reader: ReaderClient;
  readonly markSync: MarkSync;
}

export class SqliteLog implements LogStore {
  readonly #parts: SqliteLogParts;
  readonly #cells: Int32Array;
  readonly #ring: RingWriter;
  readonly #touched: Touched;
  #head: Head;
  #next: Position;
  #at: number;
  #pending: { readonly call: Call; readonly entry: OutgoingEntry; readonly large: LargeCommits | undefined }[] = [];
  /** In the ring, in order; a call that was rejected leaves its slot behind until the worker has passed over it. */
  #written: { readonly call: Call | undefined; readonly slot: Slot }[] = [];
  #done = 0;
  #waitingDrafts = 0;
  #waitingBytes = 0;
  #commits = 0;
  /** Why no further draft is taken, ever. */
  #refusal: MillpondError | undefined;
  #failure: string | undefined;
  #unhealthy: string | undefined;
  #drained: (() => void) | undefined;
  #closed: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: SqliteLogParts) {
    this.#parts = parts;
    this.#cells = parts.ring.cells;
    this.#ring = new RingWriter(parts.ring);
    this.#touched = new Touched(parts.touched);
    this.#head = parts.head;
    this.#next = parts.head.position + 1;
    this.#at = parts.head.at;
    parts.port.on("message", (message: FromWriter) => this.#hear(message));
    parts.worker.on("error", (error: unknown) => this.#workerEnded(`the writing thread failed: ${String(error)}`));
    parts.worker.on("exit", () => this.#workerEnded("the writing thread ended"));
  }
  get head(): Head {
    return this.#head;
  }

  append(drafts: readonly Draft[]): Promise<readonly Receipt[]> {
    if (this.#closing !== undefined) return Promise.reject(fail("log_closed"));
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    if (drafts.length === 0) return Promise.resolve([]);
    const conflict = this.#touched.admit(drafts, this.#next - 1);
    if (conflict !== undefined) return Promise.reject(conflict);
    const first = this.#next;
    this.#next += drafts.length;
    this.#at = Math.max(this.#parts.environment.clock.now(), this.#at);
    const commits = drafts.map(outgoing);
    const inside: OutgoingEntry = { kind: entryKind.commits, first, at: this.#at, count: drafts.length, commits };
    const bytes = entryBytes(inside);
    const large = bytes > this.#ring.capacity / 4 ? largeCommits(commits) : undefined;
    const entry = large === undefined ? inside : { ...inside, kind: entryKind.message, commits: [] };
    assert(entryBytes(entry) <= this.#ring.capacity / 2, "more drafts in one call than the ring has room for");
    this.#waitingDrafts += drafts.length;
    this.#waitingBytes += bytes;
    return new Promise((resolve, reject) => {
      this.#pending.push({ call: { drafts, first, at: entry.at, bytes, resolve, reject }, entry, large });
      this.#pump();
    });
  }

  #pump(): void {
    let sent = 0;
    for (const { call, entry, large } of this.#pending) {
      if (!this.#ring.hasRoom(entry)) break;
      // First the message: a worker that sees the entry must find it.
      if (large !== undefined) {
        this.#parts.port.postMessage(
          large,
          large.payloads.map(({ buffer }) => buffer),
        );
      }
      this.#written.push({ call, slot: this.#ring.write(entry) });
      sent += 1;
    }
    if (sent > 0) this.#pending.splice(0, sent);
  }

  #hear(message: FromWriter): void {
    switch (message.kind) {
      case "bell":
        this.#collect();
        break;
      case "failed": {
        const { code, details } = message.refusal;
        this.#collect();
        this.#failAll(fail(code, details), message.fatal);
        if (!message.fatal) this.#ring.hearFailure();
        break;
      }
      case "health":
        this.#unhealthy = message.problem;
        if (message.problem) this.#parts.environment.logger.log("error", "log_unhealthy", { problem: message.problem });
        break;
      case "closed":
        this.#closed?.();
        break;
      case "ready":
      case "refused":
        break;
    }
  }

  /** Settles every call the worker is through with, in order, in this one stretch. */
  #collect(): void {
    Atomics.store(this.#cells, cell.bell, 0);
    const done = Atomics.load(this.#cells, cell.done);
    const count = (done - this.#done) | 0;
    if (count === 0) return;
    this.#done = done;
    for (let index = 0; index < count; index++) {
      const { call, slot } = this.#written[index]!;
      if (call !== undefined) this.#settle(call, this.#ring.hashes(slot, call.drafts.length));
      this.#ring.free(slot);
    }
    this.#written.splice(0, count);
    this.#failure = undefined;
    this.#parts.markSync.changed();
    this.#pump();
    if (this.#waitingDrafts === 0) this.#drained?.();
  }
  #settle(call: Call, hashes: Uint8Array): void {
    const { drafts, first, at } = call;
    const receipts: Receipt[] = [];
    for (let index = 0; index < drafts.length; index++) {
      const position = first + index;
      const hash = hashes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
      receipts.push({ position, at, hash });
      this.#touched.settle(drafts[index]!, position);
    }
    this.#head = receipts.at(-1)!;
    this.#commits += drafts.length;
    this.#forget(call);
    call.resolve(receipts);
  }
  #forget({ drafts, bytes }: Call): void {
    this.#waitingDrafts -= drafts.length;
    this.#waitingBytes -= bytes;
  }

  /** Everything not durable is void: what is in the ring, what waits for room, and where it was counted. */
  #failAll(error: MillpondError, fatal: boolean): void {
    if (fatal) this.#refusal ??= error;
    this.#failure = error.message;
    const calls = [...this.#written, ...this.#pending].map(({ call }) => call).filter((call) => call !== undefined);
    this.#written = this.#written.map(({ slot }) => ({ call: undefined, slot }));
    this.#pending = [];
    this.#next = this.#head.position + 1;
    this.#touched.forgetWaiting();
    for (const call of calls) {
      this.#forget(call);
      call.reject(error);
    }
    this.#drained?.();
  }
  #workerEnded(problem: string): void {
    if (this.#refusal === undefined) this.#failAll(fail("log_read_only", { problem }), true);
    this.#closed?.();
  }

  async read(after: Position, limit: ReadLimit = {}): Promise<readonly Commit[]> {
    const through = Math.min(limit.through ?? this.#head.position, this.#head.position);
    return await this.#parts.reader.read(after, { ...limit, through });
  }
  positionAt(at: number): Promise<Position> {
    return this.#parts.reader.positionAt(at, this.#head.position);
  }
  async verify(from: Position = 1, onProgress?: (position: Position) => void): Promise<VerifyReport> {
    const head = this.#head;
    const fault = await this.#parts.reader.verify(from, head, onProgress);
    const commits = Math.max(0, (fault?.position ?? head.position + 1) - from);
    return fault === undefined ? { commits, head } : { commits, head, fault };
  }

  figures(): StoreFigures {
    const lastError = this.#refusal?.message ?? this.#unhealthy ?? this.#parts.markSync.problem ?? this.#failure;
    return {
      waitingDrafts: this.#waitingDrafts,
      waitingBytes: this.#waitingBytes,
      storedBytes: Atomics.load(this.#cells, cell.pages) * PAGE_BYTES,
      commits: this.#commits,
      groups: Atomics.load(this.#cells, cell.groups),
      ...(lastError === undefined ? {} : { lastError }),
    };
  }
  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }
  async #shut(): Promise<void> {
    if (this.#waitingDrafts > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    // The reader first: whoever closes last folds the write-ahead log into the database.
    await this.#parts.reader.close();
    const closed = new Promise<void>((resolve) => {
      this.#closed = resolve;
    });
    const alive = this.#parts.worker.threadId !== -1;
    Atomics.store(this.#cells, cell.closing, 1);
    this.#ring.signal();
    if (alive) await closed;
    this.#parts.port.close();
    await this.#parts.markSync.close();
  }
}

function outgoing(draft: Draft): OutgoingCommit {
  const header = encodeHeader(draft);
  const datasets = datasetsText(touchedDatasets(draft.changes));
  return {
    header,
    headerBytes: Buffer.byteLength(header),
    datasets,
    datasetsBytes: Buffer.byteLength(datasets),
    payload: draft.changes.map(({ bytes }) => bytes),
    payloadBytes: payloadBytes(draft.changes),
  };
}

/** Payloads as buffers of their own, to be moved to the worker. */
function largeCommits(commits: readonly OutgoingCommit[]): LargeCommits {
  return {
    headers: commits.map(({ header }) => header),
    datasets: commits.map(({ datasets }) => datasets),
    payloads: commits.map(({ payload, payloadBytes }) => {
      const joined = new Uint8Array(payloadBytes);
      let offset = 0;
      for (const part of payload) {
        joined.set(part, offset);
        offset += part.length;
      }
      return joined;
    }),
  };
}
