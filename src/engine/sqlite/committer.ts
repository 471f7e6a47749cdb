/** Group commits: one transaction for all entries that wait, then the mark, then the hashes into the ring. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { assert, utf8 } from "../../base/index.ts";
import { type Head, hashCommit, sha256 } from "../../log/index.ts";
import type { MarkFile } from "./mark.ts";
import type { LargeCommits } from "./messages.ts";
import { HASH_BYTES, type IncomingCommit, type IncomingEntry } from "./ring.ts";
import { bucketOf, datasetsText } from "./schema.ts";

/**
 * Frames in the write-ahead log after which it is copied into the database and started over. Small on purpose: frames
 * that overwrite a file in place sync faster than frames that make it grow (docs/decisions/0002-log-hot-path.md).
 */
export const CHECKPOINT_FRAMES = 1000;
/** When nothing waits, this many are worth a checkpoint too. */
export const IDLE_CHECKPOINT_FRAMES = 250;
const FRAME_BYTES = 4096;
/** What a row costs beside header and payload. */
const ROW_BYTES = 80;

/** An entry with its commits at hand, wherever they travelled. */
export interface GroupEntry {
  readonly entry: IncomingEntry;
  readonly commits: readonly IncomingCommit[];
}

export class Committer {
  readonly #database: DatabaseSync;
  readonly #mark: MarkFile;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #insert: StatementSync;
  readonly #insertPresence: StatementSync;
  readonly #checkpoint: StatementSync;
  readonly #pageCount: StatementSync;
  readonly #names = new Map<string, readonly string[]>();
  readonly #present = new Map<string, number>();
  #head: Head;
  /** An estimate: SQLite tells the true count only as the result of a checkpoint. */
  frames = CHECKPOINT_FRAMES;

  constructor(database: DatabaseSync, mark: MarkFile, head: Head) {
    this.#database = database;
    this.#mark = mark;
    this.#head = head;
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#insert = database.prepare(
      "INSERT INTO commits (position, at, hash, datasets, header, payload) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#insertPresence = database.prepare("INSERT OR IGNORE INTO presence (dataset, bucket) VALUES (?, ?)");
    this.#checkpoint = database.prepare("PRAGMA wal_checkpoint(PASSIVE)");
    this.#pageCount = database.prepare("PRAGMA page_count");
  }

  /** Durable, and on the mark, when it returns. @throws whatever SQLite or the mark file throws; then nothing holds. */
  commit(group: readonly GroupEntry[]): void {
    const before = this.#head;
    try {
      this.#begin.run();
      for (const { entry, commits } of group) this.#insertEntry(entry, commits);
      this.#commit.run();
    } catch (error) {
      this.#head = before;
      this.#present.clear();
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
    // Each transaction writes the last leaf anew, however little it adds.
    this.frames += 1;
    this.#mark.write(this.#head);
  }
  #insertEntry(entry: IncomingEntry, commits: readonly IncomingCommit[]): void {
    assert(entry.first === this.#head.position + 1, `expected position ${this.#head.position + 1}, got ${entry.first}`);
    let { position, hash } = this.#head;
    for (let index = 0; index < commits.length; index++) {
      const { header, datasets, payload } = commits[index]!;
      position += 1;
      hash = hashCommit(hash, position, entry.at, header, sha256(payload));
      this.#insert.run(position, entry.at, hash, datasets, header, payload);
      for (const name of this.#namesIn(datasets)) this.#markPresent(name, bucketOf(position));
      entry.hashes.set(hash, index * HASH_BYTES);
      this.frames += (payload.length + header.length + ROW_BYTES) / FRAME_BYTES;
    }
    this.#head = { position, at: entry.at, hash };
  }
  #namesIn(datasets: string): readonly string[] {
    let names = this.#names.get(datasets);
    if (names === undefined) {
      names = datasets.split("\n").filter((name) => name !== "");
      if (this.#names.size > 10_000) this.#names.clear();
      this.#names.set(datasets, names);
    }
    return names;
  }
  #markPresent(name: string, bucket: number): void {
    if (this.#present.get(name) === bucket) return;
    this.#insertPresence.run(name, bucket);
    this.#present.set(name, bucket);
  }

  /** Copies the write-ahead log into the database, as far as no reader is in the way. */
  checkpoint(): void {
    const row = this.#checkpoint.get() as { log: number; checkpointed: number };
    // A reader that holds it back must not make every following commit try again.
    this.frames = Math.min(row.log - row.checkpointed, CHECKPOINT_FRAMES / 2);
  }
  get pages(): number {
    return this.#pageCount.get()?.page_count as number;
  }
}

export function ofMessage({ headers, datasets, payloads }: LargeCommits): IncomingCommit[] {
  return headers.map((header, index) => ({
    header: utf8(header),
    datasets: datasets[index] ?? datasetsText([]),
    payload: payloads[index]!,
  }));
}
