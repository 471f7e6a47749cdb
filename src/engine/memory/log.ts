/**
 * The in-memory log. It keeps commits as an engine on disk would, as header text and payload bytes, so that what is
 * read went through the same forms. Its `disk` outlives the store: opening again on it is a restart.
 */
import { asMillpondError, type Environment, fail, type MillpondError, utf8 } from "../../base/index.ts";
import {
  type Commit,
  type Draft,
  encodeHeader,
  type Head,
  hashCommit,
  type LogStore,
  type Position,
  payloadBytes,
  type ReadLimit,
  type Receipt,
  readStoredCommit,
  type StoredCommit,
  type StoreFigures,
  sha256,
  Touched,
  touchesAny,
  type VerifyReport,
  zeroHash,
} from "../../log/index.ts";

export interface MemoryLogOptions {
  readonly environment: Pick<Environment, "clock">;
  /** What a restart finds: pass the `disk` of the store before. */
  readonly disk?: StoredCommit[];
  /** Resolves when the pretended disk has the group; rejecting makes the group fail with that error. */
  readonly sync?: () => Promise<void>;
}

export interface MemoryLog extends LogStore {
  readonly disk: StoredCommit[];
}

export function createMemoryLog(options: MemoryLogOptions): MemoryLog {
  return new ArrayLog(options);
}

interface Call {
  readonly drafts: readonly Draft[];
  readonly first: Position;
  readonly at: number;
  readonly resolve: (receipts: readonly Receipt[]) => void;
  readonly reject: (error: MillpondError) => void;
}

const genesis: Head = { position: 0, at: 0, hash: zeroHash };

class ArrayLog implements MemoryLog {
  readonly disk: StoredCommit[];
  readonly #options: MemoryLogOptions;
  readonly #touched: Touched;
  #calls: Call[] = [];
  #next: Position;
  #at: number;
  #syncing = false;
  #groups = 0;
  #opened: number;
  #refusal: MillpondError | undefined;
  #lastError: string | undefined;
  #drained: (() => void) | undefined;

  constructor(options: MemoryLogOptions) {
    this.#options = options;
    this.disk = options.disk ?? [];
    this.#opened = this.disk.length;
    this.#next = this.disk.length + 1;
    this.#at = this.head.at;
    const last = new Map<string, Position>();
    for (const stored of this.disk) {
      for (const { dataset } of readStoredCommit(stored).changes) last.set(dataset, stored.position);
    }
    this.#touched = new Touched(last);
  }
  get head(): Head {
    const last = this.disk.at(-1);
    return last === undefined ? genesis : { position: last.position, at: last.at, hash: last.hash };
  }

  append(drafts: readonly Draft[]): Promise<readonly Receipt[]> {
    if (this.#refusal) return Promise.reject(this.#refusal);
    if (drafts.length === 0) return Promise.resolve([]);
    const conflict = this.#touched.admit(drafts, this.#next - 1);
    if (conflict) return Promise.reject(conflict);
    this.#at = Math.max(this.#options.environment.clock.now(), this.#at);
    const first = this.#next;
    this.#next += drafts.length;
    return new Promise((resolve, reject) => {
      this.#calls.push({ drafts, first, at: this.#at, resolve, reject });
      if (!this.#syncing) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#syncing = true;
    while (this.#calls.length > 0) {
      const group = this.#calls;
      this.#calls = [];
      try {
        await this.#options.sync?.();
        await Promise.resolve();
        for (const call of group) call.resolve(this.#store(call));
        this.#groups += 1;
      } catch (error) {
        this.#fail([...group, ...this.#calls], asMillpondError(error));
      }
    }
    this.#syncing = false;
    this.#drained?.();
  }
  #store({ drafts, first, at }: Call): readonly Receipt[] {
    return drafts.map((draft, index) => {
      const position = first + index;
      const header = encodeHeader(draft);
      const payload = new Uint8Array(payloadBytes(draft.changes));
      let offset = 0;
      for (const { bytes } of draft.changes) {
        payload.set(bytes, offset);
        offset += bytes.length;
      }
      const previous = this.head.hash;
      const hash = hashCommit(previous, position, at, utf8(header), sha256(payload));
      this.disk.push({ position, at, header, payload, previous, hash });
      this.#touched.settle(draft, position);
      return { position, at, hash };
    });
  }
  #fail(calls: readonly Call[], error: MillpondError): void {
    this.#calls = [];
    this.#next = this.disk.length + 1;
    this.#touched.forgetWaiting();
    this.#lastError = error.message;
    if (error.code !== "log_storage_full") this.#refusal = error;
    for (const { reject } of calls) reject(error);
  }

  read(after: Position, limit: ReadLimit = {}): Promise<readonly Commit[]> {
    if (this.#refusal?.code === "log_closed") return Promise.reject(this.#refusal);
    const { datasets, commits = 1024, bytes = 8 * 1024 * 1024, through = this.disk.length } = limit;
    const run: Commit[] = [];
    let total = 0;
    for (let index = after; index < Math.min(through, this.disk.length) && run.length < commits; index++) {
      const commit = readStoredCommit(this.disk[index]!);
      if (datasets !== undefined && !touchesAny(commit, datasets)) continue;
      total += payloadBytes(commit.changes);
      if (run.length > 0 && total > bytes) break;
      run.push(commit);
    }
    return Promise.resolve(run);
  }
  positionAt(at: number): Promise<Position> {
    return Promise.resolve(this.disk.findLast((stored) => stored.at <= at)?.position ?? 0);
  }
  verify(from: Position = 1, onProgress?: (position: Position) => void): Promise<VerifyReport> {
    let previous = this.disk[from - 2]?.hash ?? zeroHash;
    let commits = 0;
    for (const { position, at, header, payload, hash } of this.disk.slice(from - 1)) {
      const computed = hashCommit(previous, position, at, utf8(header), sha256(payload));
      if (!computed.every((byte, index) => byte === hash[index])) {
        const fault = { position, problem: "the hash does not match the stored bytes" };
        return Promise.resolve({ commits, head: this.head, fault });
      }
      previous = hash;
      commits += 1;
    }
    onProgress?.(this.head.position);
    return Promise.resolve({ commits, head: this.head });
  }

  figures(): StoreFigures {
    const waiting = this.#calls.flatMap(({ drafts }) => drafts);
    return {
      waitingDrafts: waiting.length,
      waitingBytes: waiting.reduce((sum, { changes }) => sum + payloadBytes(changes), 0),
      storedBytes: this.disk.reduce((sum, { payload, header }) => sum + payload.length + header.length, 0),
      commits: this.disk.length - this.#opened,
      groups: this.#groups,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }
  async close(): Promise<void> {
    this.#refusal = fail("log_closed");
    if (!this.#syncing) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }
}
