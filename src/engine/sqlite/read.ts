/** Reading commits out of the database. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Position, type ReadLimit, zeroHash } from "../../log/index.ts";
import type { ReadCommit } from "./messages.ts";
import { bucketOf, bucketStart, datasetsText } from "./schema.ts";

const DEFAULT_COMMITS = 1024;
const DEFAULT_BYTES = 8 * 1024 * 1024;
const COLUMNS = "position, at, CAST(header AS TEXT) AS header, hash, payload";

type Row = Omit<ReadCommit, "previous">;

/** Commits after a position and through `limit.through`, within the limit. */
export function readCommits(database: DatabaseSync, after: Position, limit: ReadLimit): ReadCommit[] {
  const reader = new CommitReader(database, limit);
  const { datasets, through = Number.MAX_SAFE_INTEGER } = limit;
  if (datasets === undefined) {
    reader.scan(after, through);
    return reader.commits;
  }
  for (const bucket of bucketsOf(database, datasets, after, through)) {
    const start = Math.max(after, bucketStart(bucket) - 1);
    if (!reader.scan(start, Math.min(through, bucketStart(bucket + 1) - 1))) break;
  }
  return reader.commits;
}

function bucketsOf(database: DatabaseSync, datasets: readonly string[], after: Position, through: Position): number[] {
  return database
    .prepare(
      `SELECT DISTINCT bucket FROM presence
       WHERE dataset IN (${datasets.map(() => "?").join(", ")}) AND bucket >= ? AND bucket <= ? ORDER BY bucket`,
    )
    .all(...datasets, bucketOf(after + 1), bucketOf(through))
    .map(({ bucket }) => bucket as number);
}

class CommitReader {
  readonly commits: ReadCommit[] = [];
  readonly #maxCommits: number;
  readonly #maxBytes: number;
  readonly #select: StatementSync;
  readonly #hashAt: StatementSync;
  readonly #patterns: string[];
  #bytes = 0;

  constructor(database: DatabaseSync, { commits = DEFAULT_COMMITS, bytes = DEFAULT_BYTES, datasets }: ReadLimit) {
    this.#maxCommits = commits;
    this.#maxBytes = bytes;
    this.#patterns = (datasets ?? []).map((name) => datasetsText([name]));
    const filter =
      this.#patterns.length > 0 ? `(${this.#patterns.map(() => "instr(datasets, ?) > 0").join(" OR ")})` : "1";
    this.#select = database.prepare(
      `SELECT ${COLUMNS} FROM commits WHERE position > ? AND position <= ? AND ${filter} ORDER BY position LIMIT ?`,
    );
    this.#hashAt = database.prepare("SELECT hash FROM commits WHERE position = ?");
  }
  /** Takes commits in (after, through]; false once the limit is reached. */
  scan(after: Position, through: Position): boolean {
    const left = this.#maxCommits - this.commits.length;
    if (left <= 0) return false;
    for (const value of this.#select.iterate(after, through, ...this.#patterns, left)) {
      const row = value as unknown as Row;
      this.#bytes += row.payload.length;
      if (this.commits.length > 0 && this.#bytes > this.#maxBytes) return false;
      this.commits.push({ ...row, previous: this.#hashBefore(row.position) });
    }
    return this.commits.length < this.#maxCommits;
  }
  #hashBefore(position: Position): Uint8Array {
    if (position === 1) return zeroHash;
    const last = this.commits.at(-1);
    if (last?.position === position - 1) return last.hash;
    return this.#hashAt.get(position - 1)?.hash as Uint8Array;
  }
}

/** The last position through a head whose instant is not after `at`: instants never fall along the log. */
export function findPositionAt(database: DatabaseSync, at: number, through: Position): Position {
  const instantOf = database.prepare("SELECT at FROM commits WHERE position = ?");
  let low = 0;
  let high = through;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const instant = instantOf.get(middle)?.at as number | undefined;
    if (instant !== undefined && instant <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}
