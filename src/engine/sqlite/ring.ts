/**
 * How drafts reach the worker: a ring of bytes in shared memory, one writer (the main thread), one reader (the
 * worker), no copies but the one into it and no structured clones. The worker writes the hash of each commit back into
 * its entry, so the way back is a counter and a bell.
 *
 * An entry is one call of `append`, 8-byte aligned, never broken over the end of the ring:
 * length u32 · kind u32 · first position f64 · at f64 · count u32 · 0 u32 · hashes 32 × count · and per commit
 * header length u32, datasets length u32, payload length u32, 0 u32, then header, datasets, payload, padding to 8.
 * An entry of kind `message` ends after its hashes: its commits are the next message on the port.
 *
 * Counters wrap at 2^32; only their differences are used. Everything an entry holds is written before the counter that
 * announces it (atomic operations order the plain ones around them).
 */
import { alignedTo8 } from "../../base/index.ts";

/** Places in `cells`. */
export const cell = {
  /** Raised whenever the worker has something to look at; what it sleeps on. */
  signal: 0,
  /** Entries written by the main thread. */
  written: 1,
  /** Entries the worker is through with: durable, or passed over after a failure. */
  done: 2,
  /** 1 while a bell is on its way to the main thread. */
  bell: 3,
  closing: 4,
  groups: 5,
  pages: 6,
  /** How many failures the main thread has heard of, and how many entries it had written by then. */
  heard: 7,
  heardAt: 8,
} as const;

export const entryKind = { skip: 0, commits: 1, message: 2 } as const;

const ENTRY_BYTES = 32;
const COMMIT_BYTES = 16;
export const HASH_BYTES = 32;

export interface SharedRing {
  readonly cells: Int32Array<SharedArrayBuffer>;
  readonly bytes: SharedArrayBuffer;
}

export function createSharedRing(capacity: number): SharedRing {
  return { cells: new Int32Array(new SharedArrayBuffer(64)), bytes: new SharedArrayBuffer(capacity) };
}

/** A commit on its way, its parts still apart. */
export interface OutgoingCommit {
  readonly header: string;
  readonly headerBytes: number;
  readonly datasets: string;
  readonly datasetsBytes: number;
  readonly payload: readonly Uint8Array[];
  readonly payloadBytes: number;
}

export interface OutgoingEntry {
  readonly kind: number;
  readonly first: number;
  readonly at: number;
  readonly count: number;
  /** Empty unless the commits travel inside the ring. */
  readonly commits: readonly OutgoingCommit[];
}

/** Where an entry lies and how many bytes of the ring it holds, padding before it included. */
export interface Slot {
  readonly offset: number;
  readonly taken: number;
}

export function entryBytes({ count, commits }: OutgoingEntry): number {
  let length = ENTRY_BYTES + count * HASH_BYTES;
  for (const { headerBytes, datasetsBytes, payloadBytes } of commits) {
    length += alignedTo8(COMMIT_BYTES + headerBytes + datasetsBytes + payloadBytes);
  }
  return length;
}

export class RingWriter {
  readonly capacity: number;
  readonly #cells: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Buffer<SharedArrayBuffer>;
  readonly #view: DataView;
  #at = 0;
  #used = 0;

  constructor({ cells, bytes }: SharedRing) {
    this.capacity = bytes.byteLength;
    this.#cells = cells;
    this.#bytes = Buffer.from(bytes);
    this.#view = new DataView(bytes);
  }

  /** Whether an entry fits before others are freed. */
  hasRoom(entry: OutgoingEntry): boolean {
    return this.#used + this.#takenBy(entryBytes(entry)) <= this.capacity;
  }
  #takenBy(length: number): number {
    const toEnd = this.capacity - this.#at;
    return length <= toEnd ? length : toEnd + length;
  }
  /** Writes and announces an entry for which there is room. */
  write(entry: OutgoingEntry): Slot {
    const length = entryBytes(entry);
    const toEnd = this.capacity - this.#at;
    const taken = this.#takenBy(length);
    if (length > toEnd) {
      if (toEnd > 0) this.#view.setUint32(this.#at, entryKind.skip, true);
      this.#at = 0;
    }
    const offset = this.#at;
    this.#at += length;
    this.#used += taken;
    this.#fill(entry, offset, length);
    Atomics.add(this.#cells, cell.written, 1);
    this.signal();
    return { offset, taken };
  }
  free({ taken }: Slot): void {
    this.#used -= taken;
  }
  /** Tells the worker that whatever was written so far is void. */
  hearFailure(): void {
    Atomics.store(this.#cells, cell.heardAt, Atomics.load(this.#cells, cell.written));
    Atomics.add(this.#cells, cell.heard, 1);
    this.signal();
  }
  /** The hashes of an entry that is durable. */
  hashes({ offset }: Slot, count: number): Uint8Array {
    const start = offset + ENTRY_BYTES;
    return new Uint8Array(this.#bytes.subarray(start, start + count * HASH_BYTES));
  }
  signal(): void {
    Atomics.add(this.#cells, cell.signal, 1);
    Atomics.notify(this.#cells, cell.signal);
  }

  #fill({ kind, first, at, count, commits }: OutgoingEntry, start: number, length: number): void {
    const view = this.#view;
    const bytes = this.#bytes;
    view.setUint32(start, length, true);
    view.setUint32(start + 4, kind, true);
    view.setFloat64(start + 8, first, true);
    view.setFloat64(start + 16, at, true);
    view.setUint32(start + 24, count, true);
    let offset = start + ENTRY_BYTES + count * HASH_BYTES;
    for (const { header, headerBytes, datasets, datasetsBytes, payload, payloadBytes } of commits) {
      view.setUint32(offset, headerBytes, true);
      view.setUint32(offset + 4, datasetsBytes, true);
      view.setUint32(offset + 8, payloadBytes, true);
      const next = offset + alignedTo8(COMMIT_BYTES + headerBytes + datasetsBytes + payloadBytes);
      offset += COMMIT_BYTES;
      bytes.write(header, offset, headerBytes, "utf8");
      offset += headerBytes;
      bytes.write(datasets, offset, datasetsBytes, "utf8");
      offset += datasetsBytes;
      for (const part of payload) {
        bytes.set(part, offset);
        offset += part.length;
      }
      offset = next;
    }
  }
}

export interface IncomingCommit {
  readonly header: Uint8Array;
  readonly datasets: string;
  readonly payload: Uint8Array;
}

export interface IncomingEntry {
  readonly kind: number;
  readonly first: number;
  readonly at: number;
  readonly count: number;
  readonly bytes: number;
  /** Where the hashes go. */
  readonly hashes: Uint8Array;
  /** Views of the ring, good until the entry is done; empty where the commits are a message. */
  readonly commits: readonly IncomingCommit[];
}

export class RingReader {
  readonly #cells: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Buffer<SharedArrayBuffer>;
  readonly #view: DataView;
  #at = 0;
  /** Entries read so far. */
  read = 0;

  constructor({ cells, bytes }: SharedRing) {
    this.#cells = cells;
    this.#bytes = Buffer.from(bytes);
    this.#view = new DataView(bytes);
  }
  next(): IncomingEntry | undefined {
    if (((Atomics.load(this.#cells, cell.written) - this.read) | 0) <= 0) return undefined;
    this.read = (this.read + 1) | 0;
    if (this.#at === this.#bytes.length || this.#view.getUint32(this.#at, true) === entryKind.skip) this.#at = 0;
    const start = this.#at;
    const view = this.#view;
    const bytes = view.getUint32(start, true);
    const kind = view.getUint32(start + 4, true);
    const count = view.getUint32(start + 24, true);
    const hashes = this.#bytes.subarray(start + ENTRY_BYTES, start + ENTRY_BYTES + count * HASH_BYTES);
    const commits = kind === entryKind.commits ? this.#commits(start + ENTRY_BYTES + count * HASH_BYTES, count) : [];
    this.#at = start + bytes;
    return {
      kind,
      first: view.getFloat64(start + 8, true),
      at: view.getFloat64(start + 16, true),
      count,
      bytes,
      hashes,
      commits,
    };
  }
  #commits(start: number, count: number): IncomingCommit[] {
    const commits: IncomingCommit[] = [];
    let offset = start;
    for (let index = 0; index < count; index++) {
      const headerEnd = offset + COMMIT_BYTES + this.#view.getUint32(offset, true);
      const datasetsEnd = headerEnd + this.#view.getUint32(offset + 4, true);
      const payloadEnd = datasetsEnd + this.#view.getUint32(offset + 8, true);
      commits.push({
        header: this.#bytes.subarray(offset + COMMIT_BYTES, headerEnd),
        datasets: this.#bytes.toString("utf8", headerEnd, datasetsEnd),
        payload: this.#bytes.subarray(datasetsEnd, payloadEnd),
      });
      offset += alignedTo8(payloadEnd - offset);
    }
    return commits;
  }
}
