/**
 * What an engine with one writer needs to judge preconditions in memory: where each dataset was last touched, counting
 * drafts that wait as if they were stored. When a group fails, what waited is forgotten again.
 */
import { fail, type MillpondError } from "../base/index.ts";
import type { Draft, Position } from "./types.ts";

export class Touched {
  readonly #durable: Map<string, Position>;
  readonly #waiting = new Map<string, Position>();

  constructor(durable: Iterable<readonly [string, Position]>) {
    this.#durable = new Map(durable);
  }

  /**
   * Judges the drafts of one call, each on top of those before it, and counts them as waiting from `head + 1` on.
   * Returns the conflict of the first that has one; then none of them counts.
   */
  admit(drafts: readonly Draft[], head: Position): MillpondError | undefined {
    const own = new Map<string, Position>();
    for (let index = 0; index < drafts.length; index++) {
      const draft = drafts[index]!;
      const conflict = draft.preconditions === undefined ? undefined : this.#conflict(draft, head + index, own);
      if (conflict !== undefined) return conflict;
      for (const { dataset } of draft.changes) own.set(dataset, head + 1 + index);
    }
    for (const [dataset, position] of own) this.#waiting.set(dataset, position);
    return undefined;
  }
  settle(draft: Draft, position: Position): void {
    for (const { dataset } of draft.changes) {
      this.#durable.set(dataset, position);
      if (this.#waiting.get(dataset) === position) this.#waiting.delete(dataset);
    }
  }
  forgetWaiting(): void {
    this.#waiting.clear();
  }

  #conflict(draft: Draft, head: Position, own: ReadonlyMap<string, Position>): MillpondError | undefined {
    for (const condition of draft.preconditions ?? []) {
      if ("head" in condition) {
        if (condition.head === head) continue;
        return fail("log_conflict", { problem: `the log ends at ${head}, not at ${condition.head}` });
      }
      const { dataset, unchangedSince } = condition;
      const last = own.get(dataset) ?? this.#waiting.get(dataset) ?? this.#durable.get(dataset) ?? 0;
      if (last <= unchangedSince) continue;
      return fail("log_conflict", { problem: `'${dataset}' changed at ${last}, after ${unchangedSince}` });
    }
    return undefined;
  }
}
