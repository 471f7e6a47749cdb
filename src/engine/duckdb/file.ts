/**
 * The file: how it is opened, locked down and laid out, and what is wrong when it cannot be. The schemas `stored`
 * (rows), `dictionary` (texts by id) and `millpond` (position, contracts, columns) belong to the view; dropping the
 * file loses nothing, as the log can fill it again.
 */
import { rmSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";
import { fail, type MillpondError } from "../../base/index.ts";
import type { WorkerOptions } from "./protocol.ts";

/** Raised when the layout changes: a file of another format is as good as corrupt, it is rebuilt. */
export const FILE_FORMAT = 1;
export const VIEW_NAME = "series";

export const LAYOUT_STATEMENTS: readonly string[] = [
  "CREATE SCHEMA stored",
  "CREATE SCHEMA dictionary",
  "CREATE SCHEMA millpond",
  "CREATE TABLE millpond.view (format INTEGER, position BIGINT, hash VARCHAR)",
  `INSERT INTO millpond.view VALUES (${FILE_FORMAT}, 0, '')`,
  "CREATE TABLE millpond.contracts (dataset VARCHAR, version INTEGER, contract VARCHAR)",
  "CREATE TABLE millpond.columns (dataset VARCHAR, place INTEGER, field VARCHAR, kind VARCHAR)",
];

/** @throws `view_corrupt`, `view_locked` */
export async function openInstance(options: Pick<WorkerOptions, "file" | "threads" | "memoryLimit">) {
  try {
    return await DuckDBInstance.create(options.file, {
      threads: String(options.threads),
      memory_limit: options.memoryLimit,
      enable_external_access: "false",
      autoload_known_extensions: "false",
      autoinstall_known_extensions: "false",
      lock_configuration: "true",
    });
  } catch (error) {
    throw openError(error);
  }
}

/** A file that is in use or out of reach is not corrupt: rebuilding would not help. */
export function openError(error: unknown): MillpondError {
  const problem = error instanceof Error ? error.message : String(error);
  if (/could not set lock|being used by another process|conflicting lock/i.test(problem)) {
    return fail("view_locked", { view: VIEW_NAME }, error);
  }
  if (/no space left|permission denied|too many open files|cannot open file/i.test(problem)) {
    return fail("view_failed", { view: VIEW_NAME, position: 0 }, error);
  }
  return corrupt(problem.split("\n")[0]!.slice(0, 200), error);
}

export const corrupt = (problem: string, cause?: unknown): MillpondError =>
  fail("view_corrupt", { view: VIEW_NAME, problem }, cause);

/** Removes the view's file and what belongs to it. The view must be closed. It is rebuilt from the log. */
export function dropDuckdbSeries(file: string): void {
  for (const path of [file, `${file}.wal`, `${file}.tmp`]) rmSync(path, { force: true, recursive: true });
}
