/** Following a log: a position, a read, a wait; nothing else is kept per follower. */
import { assert, fail } from "../base/index.ts";
import type { Commit, FollowOptions, Head, Position, ReadLimit } from "./types.ts";

/** Wakes everybody who waits for the head to move, or for the end. */
export class HeadWaiters {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next wake; rejects with the signal's reason as soon as it aborts. */
  next(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        this.#waiting.delete(onWake);
        reject(signal?.reason);
      };
      const onWake = (): void => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      this.#waiting.add(onWake);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
  wake(): void {
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of woken) resolve();
  }
}

/** The parts of a log that following needs. */
export interface Followed {
  head(): Head;
  closed(): boolean;
  read(after: Position, limit: ReadLimit): Promise<readonly Commit[]>;
  readonly waiters: HeadWaiters;
  count(change: 1 | -1): void;
}

export async function* followLog(
  log: Followed,
  after: Position,
  { signal, limit = {} }: FollowOptions,
): AsyncGenerator<readonly Commit[], void, undefined> {
  if (after > log.head().position) {
    throw fail("log_position_unknown", { position: after, head: log.head().position });
  }
  const end = limit.through ?? Number.POSITIVE_INFINITY;
  let position = after;
  log.count(1);
  try {
    while (!signal.aborted && position < end) {
      const through = Math.min(log.head().position, end);
      if (position < through) {
        const run = await log.read(position, { ...limit, through });
        if (signal.aborted) return;
        // Without a filter every position exists, so a step that does not begin right behind the last one is a hole.
        assert(limit.datasets !== undefined || run[0]?.position === position + 1, `a hole after ${position}`);
        position = run.at(-1)?.position ?? through;
        if (run.length > 0) yield run;
      } else if (log.closed()) {
        return;
      } else {
        await log.waiters.next(signal).catch((error: unknown) => {
          if (!signal.aborted) throw error;
        });
      }
    }
  } finally {
    log.count(-1);
  }
}
