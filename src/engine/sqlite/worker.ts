/**
 * The writing thread. It sleeps on a counter in shared memory rather than in its event loop, which makes a round trip
 * several times cheaper; so nothing here may rely on callbacks. After a failed group it passes over everything that was
 * in the ring when the main thread heard of it.
 */
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { asMillpondError, fail } from "../../base/index.ts";
import { CHECKPOINT_FRAMES, Committer, type GroupEntry, IDLE_CHECKPOINT_FRAMES, ofMessage } from "./committer.ts";
import type { FromWriter, LargeCommits, WriterStart } from "./messages.ts";
import { type OpenedLog, openLog } from "./open.ts";
import { cell, entryKind, RingReader } from "./ring.ts";
import { primaryCode, problemOf, sqliteCode } from "./schema.ts";

/** A group takes what waits, up to this; what comes later is the next group's. */
const GROUP_BYTES = 4 * 1024 * 1024;
const IDLE_MS = 50;

type State = "writing" | "passing over" | "refusing";

const start = workerData as WriterStart;
const { cells } = start.ring;
const post = (message: FromWriter): void => start.port.postMessage(message);

class Writer {
  readonly #log: OpenedLog;
  readonly #ring = new RingReader(start.ring);
  readonly #committer: Committer;
  #state: State = "writing";
  #unhealthy = false;
  #failures = 0;
  /** Entries of the group that failed. */
  #failed = 0;

  constructor(log: OpenedLog) {
    this.#log = log;
    this.#committer = new Committer(log.database, log.mark, log.head);
    this.#checkpoint();
  }

  run(): void {
    for (;;) {
      const signal = Atomics.load(cells, cell.signal);
      if (this.#state !== "refusing" && this.#step()) continue;
      if (Atomics.load(cells, cell.closing) === 1) break;
      const idle = this.#state === "writing" && this.#committer.frames >= IDLE_CHECKPOINT_FRAMES;
      const woken = Atomics.wait(cells, cell.signal, signal, idle ? IDLE_MS : Number.POSITIVE_INFINITY);
      if (woken === "timed-out") this.#checkpoint();
    }
    this.#close();
  }

  /** Does what waits; false where nothing did. */
  #step(): boolean {
    if (this.#state === "passing over") return this.#passOver();
    const group: GroupEntry[] = [];
    let bytes = 0;
    while (bytes < GROUP_BYTES) {
      const entry = this.#ring.next();
      if (entry === undefined) break;
      group.push({ entry, commits: entry.kind === entryKind.message ? this.#receive() : entry.commits });
      bytes += entry.bytes;
    }
    if (group.length === 0) return false;
    if (!this.#commit(group)) return true;
    this.#finish(group.length);
    if (this.#committer.frames >= CHECKPOINT_FRAMES) this.#checkpoint();
    return true;
  }
  /** Drops what was written before the main thread heard of the failure; false while it has not. */
  #passOver(): boolean {
    if (Atomics.load(cells, cell.heard) !== this.#failures) return false;
    const through = Atomics.load(cells, cell.heardAt);
    let passed = this.#failed;
    while (this.#ring.read !== through) {
      if (this.#ring.next()?.kind === entryKind.message) this.#receive();
      passed += 1;
    }
    this.#state = "writing";
    this.#finish(passed);
    return true;
  }
  #finish(entries: number): void {
    Atomics.add(cells, cell.done, entries);
    if (Atomics.exchange(cells, cell.bell, 1) === 0) post({ kind: "bell" });
  }
  #receive() {
    const received = receiveMessageOnPort(start.port) as { message: LargeCommits } | undefined;
    if (received === undefined) throw fail("internal");
    return ofMessage(received.message);
  }

  #commit(group: readonly GroupEntry[]): boolean {
    try {
      this.#committer.commit(group);
      Atomics.add(cells, cell.groups, 1);
      return true;
    } catch (error) {
      const full = primaryCode(error) === sqliteCode.full;
      this.#state = full ? "passing over" : "refusing";
      const refusal = full
        ? { code: "log_storage_full" as const, details: {} }
        : { code: "log_read_only" as const, details: { problem: problemOf(error) } };
      this.#failures += 1;
      this.#failed = group.length;
      post({ kind: "failed", refusal, fatal: !full });
      return false;
    }
  }
  /**
   * A checkpoint that cannot write its disk must not be tried again as if nothing had happened: after a failed sync
   * the system may call lost pages clean. A full disk is no such case; the write-ahead log keeps everything.
   */
  #checkpoint(): void {
    try {
      this.#committer.checkpoint();
      Atomics.store(cells, cell.pages, this.#committer.pages);
      if (this.#unhealthy) post({ kind: "health" });
      this.#unhealthy = false;
    } catch (error) {
      this.#unhealthy = true;
      this.#committer.frames = 0;
      const problem = `checkpoint: ${problemOf(error)}`;
      if (primaryCode(error) === sqliteCode.full) {
        post({ kind: "health", problem });
        return;
      }
      this.#state = "refusing";
      post({ kind: "failed", refusal: { code: "log_read_only", details: { problem } }, fatal: true });
    }
  }

  #close(): void {
    const { database, mark, lock } = this.#log;
    if (this.#state !== "refusing") this.#checkpoint();
    database.close();
    mark.sync();
    mark.close();
    lock.release();
    post({ kind: "closed" });
    start.port.close();
  }
}

function refuse(error: unknown): void {
  const { code, details } = asMillpondError(error);
  post({ kind: "refused", refusal: { code, details } });
  start.port.close();
}

let opened: OpenedLog | undefined;
try {
  opened = openLog(start);
} catch (error) {
  refuse(error);
}
if (opened !== undefined) {
  post({ kind: "ready", head: opened.head, touched: opened.touched });
  new Writer(opened).run();
}
