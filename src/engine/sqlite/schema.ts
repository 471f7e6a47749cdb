/**
 * The tables of a log and how its file is opened. Column order matters: the payload comes last, so that scans which do
 * not ask for it never follow its overflow pages. `presence` says in which runs of 256 positions a dataset was touched:
 * one small row per run instead of one per commit.
 */
import { DatabaseSync } from "node:sqlite";
import { fail } from "../../base/index.ts";

export const FORMAT = 1;
const BUCKET_COMMITS = 256;
export const bucketOf = (position: number): number => Math.floor(position / BUCKET_COMMITS);
export const bucketStart = (bucket: number): number => bucket * BUCKET_COMMITS;

/** Names of touched datasets, each between line feeds, so that a search for one cannot match a part of another. */
export const datasetsText = (names: readonly string[]): string => `\n${names.join("\n")}\n`;

const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE commits (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    hash BLOB NOT NULL,
    datasets TEXT NOT NULL,
    header BLOB NOT NULL,
    payload BLOB NOT NULL
  ) STRICT;
  CREATE TABLE presence (dataset TEXT NOT NULL, bucket INTEGER NOT NULL, PRIMARY KEY (dataset, bucket))
    STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('format', ${FORMAT});
`;

export type Synchronous = "full" | "normal";

/** The one connection that writes. Checkpoints are its owner's business, never a part of a commit. */
export function openForWriting(path: string, synchronous: Synchronous): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 2000 });
  try {
    database.exec("PRAGMA page_size = 4096");
    const mode = database.prepare("PRAGMA journal_mode = WAL").get()?.journal_mode;
    // Some network file systems cannot share memory: SQLite then keeps its old mode without a word.
    if (mode !== "wal")
      throw fail("log_open_failed", { problem: "its file system does not support SQLite's WAL mode" });
    database.exec(`PRAGMA synchronous = ${synchronous === "full" ? "FULL" : "NORMAL"}`);
    database.exec("PRAGMA wal_autocheckpoint = 0");
    database.exec("PRAGMA temp_store = MEMORY");
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

export function openForReading(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 2000 });
  database.exec("PRAGMA temp_store = MEMORY");
  return database;
}

export function isEmpty(database: DatabaseSync): boolean {
  return database.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
}

export function createSchema(database: DatabaseSync): void {
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
}

/** @throws `log_format_unknown` */
export function checkFormat(database: DatabaseSync): void {
  const format = database.prepare("SELECT value FROM meta WHERE name = 'format'").get()?.value;
  if (format !== FORMAT) throw fail("log_format_unknown", { format: String(format) });
}

/** Primary result codes of SQLite that decide what happens next. */
export const sqliteCode = { busy: 5, locked: 6, inputOutput: 10, corrupt: 11, full: 13, notDatabase: 26 } as const;

/** The primary result code of an error of SQLite, or 0 for any other error. */
export function primaryCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : 0;
}

export function problemOf(error: unknown): string {
  const { errcode, message } = error as { errcode?: unknown; message?: unknown };
  return typeof errcode === "number" ? `SQLite ${errcode}: ${String(message)}` : String(message);
}
