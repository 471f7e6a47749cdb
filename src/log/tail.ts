/**
 * The newest commits, contiguous up to the head, within a bound of payload bytes and one of commits: small commits cost
 * far more in memory than their payload, and those that live long are what a garbage collector pauses for.
 */
import { payloadBytes, touchesAny } from "./header.ts";
import type { Commit, Position, ReadLimit } from "./types.ts";

/** How much one read gives unless told otherwise: enough to amortise a hop, little enough to stay in a cache. */
export const defaultReadCommits = 1024;
export const defaultReadBytes = 8 * 1024 * 1024;

const MOST_COMMITS = 1024;

export class Tail {
  readonly #limitBytes: number;
  #commits: (Commit | undefined)[] = [];
  #start = 0;
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }
  get count(): number {
    return this.#commits.length - this.#start;
  }
  get bytes(): number {
    return this.#bytes;
  }

  push(commit: Commit): void {
    this.#commits.push(commit);
    this.#bytes += payloadBytes(commit.changes);
    while (this.#start < this.#commits.length && (this.#bytes > this.#limitBytes || this.count > MOST_COMMITS)) {
      this.#bytes -= payloadBytes(this.#commits[this.#start]!.changes);
      // At once: the array itself is cut seldom, and what left must not be held in memory until then.
      this.#commits[this.#start] = undefined;
      this.#start += 1;
    }
    if (this.#start > 1024 && this.#start * 2 > this.#commits.length) {
      this.#commits = this.#commits.slice(this.#start);
      this.#start = 0;
    }
  }

  /** Commits after a position, or undefined where the tail does not reach back that far. */
  after(position: Position, limit: ReadLimit): readonly Commit[] | undefined {
    const first = this.#commits[this.#start];
    if (first === undefined || position < first.position - 1) return undefined;
    const { datasets, through = Number.POSITIVE_INFINITY } = limit;
    const maxCommits = limit.commits ?? defaultReadCommits;
    const maxBytes = limit.bytes ?? defaultReadBytes;
    const run: Commit[] = [];
    let bytes = 0;
    for (let index = this.#start + position + 1 - first.position; index < this.#commits.length; index++) {
      const commit = this.#commits[index]!;
      if (commit.position > through || run.length >= maxCommits) break;
      if (datasets !== undefined && !touchesAny(commit, datasets)) continue;
      bytes += payloadBytes(commit.changes);
      if (run.length > 0 && bytes > maxBytes) break;
      run.push(commit);
    }
    return run;
  }
}
