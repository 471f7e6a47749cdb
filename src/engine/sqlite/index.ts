/**
 * Engine `sqlite`: the log in one folder, with nothing to install. Its promise is that of `LogStore`, by `node:sqlite`
 * in threads of its own: an acknowledged commit was synced; a second process on the folder is refused; a tail that
 * went missing is noticed at open.
 *
 * Files: `log.db` (and `-wal`, `-shm`), `log.mark`, `pool.lock`, `pool.holder`. While a log is open nothing in this
 * process may open `log.db*` or `pool.lock` as plain files: closing them would drop SQLite's locks.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { type Environment, fail } from "../../base/index.ts";
import type { LogStore } from "../../log/index.ts";
import { SqliteLog } from "./log.ts";
import { MarkSync } from "./mark-sync.ts";
import type { FromWriter, WriterStart } from "./messages.ts";
import { ReaderClient } from "./reader.ts";
import { createSharedRing } from "./ring.ts";
import type { Synchronous } from "./schema.ts";

export interface SqliteLogOptions {
  /** Made where it does not exist. */
  readonly folder: string;
  readonly environment: Environment;
  /** `normal` gives up durability over a power cut; for measurements alone. Default `full`. */
  readonly synchronous?: Synchronous;
  /** Go on although acknowledged commits are missing from the end; a commit then records the loss. */
  readonly acceptLoss?: boolean;
  /** Shared memory between the threads. Default 8 MiB. */
  readonly ringBytes?: number;
}

/**
 * Opens or makes the log of a folder.
 * @throws `log_locked`, `log_tail_lost`, `log_mark_missing`, `log_corrupt`, `log_format_unknown`, `log_storage_full`,
 * `log_open_failed`
 */
export async function openSqliteLog(options: SqliteLogOptions): Promise<LogStore> {
  const { folder, environment, synchronous = "full", acceptLoss = false, ringBytes = 8 * 1024 * 1024 } = options;
  // It holds everything: whoever else is on this machine has no business in it.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const ring = createSharedRing(ringBytes);
  const { port1: port, port2 } = new MessageChannel();
  const start: WriterStart = { folder, ring, port: port2, synchronous, acceptLoss, now: environment.clock.now() };
  const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
  const worker = new Worker(new URL(file, import.meta.url), { workerData: start, transferList: [port2] });
  const opened = await new Promise<FromWriter>((resolve, reject) => {
    port.once("message", resolve);
    worker.once("error", (error) => {
      port.close();
      reject(error);
    });
  });
  if (opened.kind !== "ready") {
    port.close();
    throw opened.kind === "refused" ? fail(opened.refusal.code, opened.refusal.details) : fail("internal");
  }
  const { head, touched } = opened;
  const markSync = new MarkSync(join(folder, "log.mark"), environment);
  const reader = new ReaderClient(join(folder, "log.db"));
  return new SqliteLog({ environment, worker, port, ring, head, touched, reader, markSync });
}
