/**
 * One Millpond per data folder: an exclusive transaction on `pool.lock`, a SQLite file of its own. The lock belongs to
 * the operating system, so it dies with the process, however that dies, and a paused process keeps it. `pool.holder`
 * names the process for the message alone. Nothing may open `pool.lock` as a plain file while it is held: closing any
 * descriptor of a file drops the process's POSIX locks on it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fail } from "../../base/index.ts";
import { primaryCode, sqliteCode } from "./schema.ts";

export interface FolderLock {
  release(): void;
}

/** @throws `log_locked` */
export function acquireFolderLock(folder: string): FolderLock {
  const database = new DatabaseSync(join(folder, "pool.lock"), { timeout: 0 });
  const holderFile = join(folder, "pool.holder");
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    const code = primaryCode(error);
    if (code === sqliteCode.busy || code === sqliteCode.locked) {
      throw fail("log_locked", { holder: holderOf(holderFile) }, error);
    }
    throw error;
  }
  writeFileSync(holderFile, `${process.pid}\n`);
  return {
    release: () => {
      database.exec("ROLLBACK");
      database.close();
    },
  };
}

function holderOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim() || "unknown";
  } catch {
    return "unknown";
  }
}
