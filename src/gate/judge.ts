/**
 * The sequential part of judging: every row of a checked batch, in order, against what is known of its key. Of the
 * reasons a row could be turned away for, the first of this order is given: (refused by the check, before this) →
 * duplicate → late → a rule that refuses → a rule that quarantines. Rules that only count never turn a row away.
 *
 * The straight path (newer than its key's newest, not late, all rules hold) allocates nothing.
 */
import type { DuplicateIndex } from "./duplicates.ts";
import type { KeyStates } from "./keys.ts";
import type { JudgedRule, Rules } from "./rules.ts";
import type { SlottedBatch } from "./slots.ts";
import type { Outcome } from "./types.ts";

/** Why the row at a place of the checked batch was not accepted. */
export interface TurnedAway {
  readonly place: number;
  readonly outcome: Exclude<Outcome, "accepted">;
  readonly code: "row_duplicate" | "row_late" | "rule_failed" | "row_unjudgeable";
  /** For `rule_failed`. */
  readonly rule?: JudgedRule;
  /** For `row_late`: microseconds behind the newest of the session. */
  readonly behind?: number;
}

export interface Judgement {
  /** Ascending places. */
  readonly turnedAway: readonly TurnedAway[];
  /** Accepted rows that supersede the stored one of their key and time, by place. */
  readonly corrections: readonly number[];
  readonly breaches: ReadonlyMap<string, number>;
  /** Accepted rows that are older than their key's newest. */
  readonly outOfOrder: number;
  /** The newest event time accepted in the session, this batch included. */
  readonly sessionNewest: number;
}

export interface JudgeInput extends SlottedBatch {
  readonly keys: KeyStates;
  readonly rules: Rules;
  /** Present where a row may be a duplicate. */
  readonly duplicates: DuplicateIndex | undefined;
  readonly sessionNewest: number;
  /** Microseconds; null for no bound. */
  readonly lateness: number | null;
}

/** Moves the unsettled state of the keys on; where it throws, the caller undoes that. */
export const judgeRows = (input: JudgeInput): Judgement => new BatchJudge(input).run();

class BatchJudge implements Judgement {
  readonly turnedAway: TurnedAway[] = [];
  readonly corrections: number[] = [];
  readonly breaches = new Map<string, number>();
  outOfOrder = 0;
  sessionNewest: number;
  readonly #input: JudgeInput;
  /** A bit mask of the rules that are false. */
  readonly #broken: (place: number, slot: number) => number;
  readonly #record: ((place: number, slot: number) => void) | undefined;
  readonly #lateness: number;

  constructor(input: JudgeInput) {
    this.#input = input;
    this.#broken = input.rules.compiled?.bind(input.batch, input.keys.previous) ?? (() => 0);
    this.#record = input.keys.recorder(input.batch);
    this.sessionNewest = input.sessionNewest;
    this.#lateness = input.lateness ?? Number.POSITIVE_INFINITY;
  }

  run(): Judgement {
    const { batch, slots, times, keys, duplicates } = this.#input;
    const { indexes, codes } = slots;
    const { newest, present } = keys;
    const broken = this.#broken;
    const record = this.#record;
    const lateness = this.#lateness;
    let sessionNewest = this.sessionNewest;
    for (let place = 0; place < batch.count; place++) {
      const slot = codes === null ? indexes[place]! : codes[indexes[place]!]!;
      const time = times[place]!;
      if (time > newest[slot]! && time >= sessionNewest - lateness && broken(place, slot) === 0) {
        newest[slot] = time;
        present[slot] = 1;
        if (record !== undefined) record(place, slot);
        if (time > sessionNewest) sessionNewest = time;
        if (duplicates !== undefined) duplicates.addAccepted(this.#input, place);
      } else {
        this.sessionNewest = sessionNewest;
        this.#judge(place, slot, time);
        sessionNewest = this.sessionNewest;
      }
    }
    this.sessionNewest = sessionNewest;
    return this;
  }

  #judge(place: number, slot: number, time: number): void {
    const { batch, slots, keys, duplicates } = this.#input;
    const newest = keys.newest[slot]!;
    const match = time <= newest && duplicates !== undefined ? duplicates.match(batch, slots, place, time) : "none";
    if (match === "equal") {
      this.turnedAway.push({ place, outcome: "duplicate", code: "row_duplicate" });
      return;
    }
    if (time < this.sessionNewest - this.#lateness) {
      this.turnedAway.push({ place, outcome: "late", code: "row_late", behind: this.sessionNewest - time });
      return;
    }
    const inOrder = time >= newest;
    // The row a correction supersedes is not the one before it; of an older row, the one before it is not known.
    if (!this.#holds(place, inOrder && match === "none" ? slot : 0)) return;
    if (inOrder) {
      keys.newest[slot] = time;
      keys.present[slot] = 1;
      this.#record?.(place, slot);
    } else {
      this.outOfOrder += 1;
    }
    if (match === "other") this.corrections.push(place);
    if (time > this.sessionNewest) this.sessionNewest = time;
    duplicates?.addAccepted(this.#input, place);
  }

  /** Whether no rule turns the row away; broken rules that only count are counted then. */
  #holds(place: number, previousSlot: number): boolean {
    const mask = this.#broken(place, previousSlot);
    if (mask === 0) return true;
    const broken = this.#input.rules.broken(mask);
    const rule =
      broken.find(({ otherwise }) => otherwise === "refuse") ??
      broken.find(({ otherwise }) => otherwise === "quarantine");
    if (rule !== undefined) {
      const outcome = rule.otherwise === "refuse" ? "refused" : "quarantined";
      this.turnedAway.push({ place, outcome, code: "rule_failed", rule });
      return false;
    }
    for (const { rule: counted } of broken) this.breaches.set(counted.name, (this.breaches.get(counted.name) ?? 0) + 1);
    return true;
  }
}
