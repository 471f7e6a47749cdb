/**
 * Opening the writing side: lock, mark, database, and the comparison that notices a lost tail. SQLite ends a damaged
 * write-ahead log where its checksums end and reports nothing, so the log is believed only when it reaches the mark.
 */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { fail, MillpondError, sameBytes, utf8 } from "../../base/index.ts";
import { encodeHeader, type Head, hashCommit, type Position, sha256, zeroHash } from "../../log/index.ts";
import { acquireFolderLock, type FolderLock } from "./lock.ts";
import { type Mark, MarkFile } from "./mark.ts";
import type { WriterStart } from "./messages.ts";
import {
  bucketStart,
  checkFormat,
  createSchema,
  datasetsText,
  isEmpty,
  openForWriting,
  primaryCode,
  problemOf,
  sqliteCode,
} from "./schema.ts";
import { verifyCommits } from "./verify.ts";

/** How many of the newest commits are recomputed at every open. */
const VERIFIED_AT_OPEN = 64;

export interface OpenedLog {
  readonly lock: FolderLock;
  readonly mark: MarkFile;
  readonly database: DatabaseSync;
  readonly head: Head;
  /** Where each dataset was last touched. */
  readonly touched: readonly (readonly [string, Position])[];
}

/**
 * @throws `log_locked`, `log_tail_lost`, `log_mark_missing`, `log_corrupt`, `log_format_unknown`, `log_storage_full`,
 * `log_open_failed`
 */
export function openLog(start: Pick<WriterStart, "folder" | "synchronous" | "acceptLoss" | "now">): OpenedLog {
  const lock = acquireFolderLock(start.folder);
  let mark: MarkFile | undefined;
  let database: DatabaseSync | undefined;
  try {
    mark = new MarkFile(join(start.folder, "log.mark"));
    database = openForWriting(join(start.folder, "log.db"), start.synchronous);
    const head = agreedHead(database, mark.found, start);
    mark.write(head);
    mark.sync();
    syncFolder(start.folder);
    return { lock, mark, database, head, touched: lastTouched(database) };
  } catch (error) {
    mark?.close();
    if (database?.isOpen) database.close();
    lock.release();
    throw openError(error);
  }
}

function agreedHead(
  database: DatabaseSync,
  mark: Mark | undefined,
  { acceptLoss, now }: Pick<WriterStart, "acceptLoss" | "now">,
): Head {
  const empty = isEmpty(database);
  const acknowledged = mark?.position ?? 0;
  // A new schema over a log that held something would hide the loss for ever.
  if (empty && acknowledged > 0 && !acceptLoss) throw fail("log_tail_lost", { head: 0, mark: acknowledged });
  if (empty) createSchema(database);
  checkFormat(database);
  const head = readHead(database);
  const from = Math.max(1, head.position - VERIFIED_AT_OPEN + 1);
  const steps = verifyCommits(database, from, head.position);
  let step = steps.next();
  while (!step.done) step = steps.next();
  if (step.value) throw fail("log_corrupt", { position: step.value.position });
  const loss = lossOf(database, head, mark);
  if (loss === undefined) return head;
  if (!acceptLoss) throw loss;
  return recordLoss(database, head, acknowledged, now);
}

function lossOf(database: DatabaseSync, head: Head, mark: Mark | undefined): MillpondError | undefined {
  if (mark === undefined) {
    return head.position === 0 ? undefined : fail("log_mark_missing", { head: head.position });
  }
  if (mark.position === 0) return undefined;
  const stored = database.prepare("SELECT hash FROM commits WHERE position = ?").get(mark.position);
  if (stored !== undefined && sameBytes(stored.hash as Uint8Array, mark.hash)) return undefined;
  return fail("log_tail_lost", { head: head.position, mark: mark.position });
}

/** What was lost stays on record: the first commit after it says so. */
function recordLoss(database: DatabaseSync, head: Head, acknowledged: Position, now: number): Head {
  const position = head.position + 1;
  const at = Math.max(now, head.at);
  const cause = { kind: "loss", head: head.position, acknowledged } as const;
  const header = utf8(encodeHeader({ actor: "system", cause, changes: [] }));
  const payload = new Uint8Array(0);
  const hash = hashCommit(head.hash, position, at, header, sha256(payload));
  database
    .prepare("INSERT INTO commits (position, at, hash, datasets, header, payload) VALUES (?, ?, ?, ?, ?, ?)")
    .run(position, at, hash, datasetsText([]), header, payload);
  return { position, at, hash };
}

function readHead(database: DatabaseSync): Head {
  const row = database.prepare("SELECT position, at, hash FROM commits ORDER BY position DESC LIMIT 1").get();
  if (row === undefined) return { position: 0, at: 0, hash: zeroHash };
  return { position: row.position as number, at: row.at as number, hash: row.hash as Uint8Array };
}

function lastTouched(database: DatabaseSync): [string, Position][] {
  const last = database.prepare(
    "SELECT max(position) AS position FROM commits WHERE position >= ? AND position < ? AND instr(datasets, ?) > 0",
  );
  return database
    .prepare("SELECT dataset, max(bucket) AS bucket FROM presence GROUP BY dataset")
    .all()
    .map((row) => {
      const bucket = row.bucket as number;
      const name = row.dataset as string;
      const found = last.get(bucketStart(bucket), bucketStart(bucket + 1), datasetsText([name]));
      return [name, (found?.position as number | null) ?? 0];
    });
}

/** Makes new names in a folder survive a power cut. */
function syncFolder(folder: string): void {
  const directory = openSync(folder, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function openError(error: unknown): MillpondError {
  if (error instanceof MillpondError) return error;
  const code = primaryCode(error);
  if (code === sqliteCode.corrupt || code === sqliteCode.notDatabase) {
    return fail("log_corrupt", { position: "unknown" }, error);
  }
  if (code === sqliteCode.full) return fail("log_storage_full", {}, error);
  return fail("log_open_failed", { problem: problemOf(error) }, error);
}
