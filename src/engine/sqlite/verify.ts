/** Recomputing the hash chain from the stored bytes, in steps, so that other work fits in between. */
import type { DatabaseSync } from "node:sqlite";
import { fromUtf8, sameBytes } from "../../base/index.ts";
import { hashCommit, headerDatasets, sha256, type VerifyReport, zeroHash } from "../../log/index.ts";
import { bucketOf, datasetsText } from "./schema.ts";

const STEP_BYTES = 4 * 1024 * 1024;

export type Fault = NonNullable<VerifyReport["fault"]>;

/** Checks commits from a position through another; yields the last good position after every few megabytes. */
export function* verifyCommits(
  database: DatabaseSync,
  from: number,
  through: number,
): Generator<number, Fault | undefined, undefined> {
  const hashAt = database.prepare("SELECT hash FROM commits WHERE position = ?");
  const presence = database.prepare("SELECT 1 FROM presence WHERE dataset = ? AND bucket = ?");
  const present = new Set<string>();
  const commits = database.prepare(
    `SELECT position, at, hash, datasets, header, payload FROM commits WHERE position >= ? AND position <= ? ORDER BY position`,
  );
  let previous = from === 1 ? zeroHash : (hashAt.get(from - 1)?.hash as Uint8Array | undefined);
  if (previous === undefined) return { position: from - 1, problem: "the commit is missing" };
  let expected = from;
  let lastAt = Number.NEGATIVE_INFINITY;
  while (expected <= through) {
    let bytes = 0;
    const start = expected;
    for (const row of commits.iterate(expected, through)) {
      const { position, at, hash, datasets, header, payload } = row as unknown as StoredRow;
      if (position !== expected) return { position: expected, problem: "the commit is missing" };
      if (at < lastAt) return { position, problem: "its instant lies before that of the commit before" };
      const computed = hashCommit(previous, position, at, header, sha256(payload));
      if (!sameBytes(computed, hash)) return { position, problem: "the hash does not match the stored bytes" };
      // What filtered reads go by is not in the hash, so it is held against what is.
      const names = headerDatasets(fromUtf8(header));
      if (datasets !== datasetsText(names)) return { position, problem: "the names of its datasets do not match" };
      for (const name of names) {
        const key = `${bucketOf(position)} ${name}`;
        if (present.has(key)) continue;
        if (!presence.get(name, bucketOf(position))) return { position, problem: "it is missing from the index" };
        present.add(key);
      }
      previous = hash;
      lastAt = at;
      expected += 1;
      bytes += payload.length + header.length;
      if (bytes > STEP_BYTES) break;
    }
    if (expected === start) return { position: expected, problem: "the commit is missing" };
    present.clear();
    yield expected - 1;
  }
  return undefined;
}

interface StoredRow {
  readonly position: number;
  readonly at: number;
  readonly hash: Uint8Array;
  readonly datasets: string;
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}
