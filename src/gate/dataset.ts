/**
 * The speculative state of one dataset: what its keys and recent rows look like after every batch judged so far,
 * durable or not. It is made from durable sources and thrown away when anything on top of it failed.
 */
import { assert, type Logger } from "../base/index.ts";
import { type Batch, takeRows } from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import type { Position } from "../log/index.ts";
import { DuplicateIndex } from "./duplicates.ts";
import { span } from "./incoming.ts";
import { type Judgement, judgeRows, type TurnedAway } from "./judge.ts";
import { KeyStates } from "./keys.ts";
import { type RecentBatch, RecentRows } from "./recent.ts";
import { previousFieldsOf, type Rules } from "./rules.ts";
import { KeySlots, type SlottedBatch, slotOf } from "./slots.ts";

/** A checked batch, and which of its rows need a closer look. */
export interface Survey extends SlottedBatch {
  /** Places of rows not newer than all rows of their key so far: they may be duplicates. */
  readonly candidates: readonly number[];
  /** Those of them of which the recent rows do not tell everything. */
  readonly inHistory: readonly number[];
}

export interface JudgeOptions {
  readonly rules: Rules;
  /** Rows of the store that the survey asked for. */
  readonly stored: Batch | undefined;
  readonly sessionNewest: number;
  readonly lateness: number | null;
  readonly logger: Logger;
}

export class DatasetState {
  readonly version: ContractVersion;
  readonly recent: RecentRows;
  readonly #slots: KeySlots;
  readonly #keys: KeyStates;
  readonly #timeIndex: number;

  /** @param newestRows one row per key, as stored up to the position */
  constructor(version: ContractVersion, newestRows: Batch, position: Position, recentRows: number) {
    const { contract } = version;
    this.version = version;
    this.#slots = new KeySlots(contract);
    this.#keys = new KeyStates(contract.layout, previousFieldsOf(contract));
    this.#timeIndex = contract.layout.findIndex(({ name }) => name === contract.time);
    this.recent = new RecentRows(recentRows, position, () => this.#keys.floor);
    this.#load(newestRows);
  }
  get keys(): number {
    return this.#slots.count;
  }

  slotted(batch: Batch): SlottedBatch {
    const slots = this.#slots.of(batch);
    this.#keys.grow(this.#slots.count);
    const time = batch.columns[this.#timeIndex]!;
    assert(time.kind === "number", "the event time is a number column");
    return { batch, slots, times: time.values };
  }

  survey(batch: Batch): Survey {
    const slotted = this.slotted(batch);
    const { slots, times } = slotted;
    const { indexes, codes } = slots;
    const { newest, floor } = this.#keys;
    const candidates: number[] = [];
    const inHistory: number[] = [];
    for (let place = 0; place < batch.count; place++) {
      const slot = codes === null ? indexes[place]! : codes[indexes[place]!]!;
      const time = times[place]!;
      if (time > newest[slot]!) {
        newest[slot] = time;
      } else {
        candidates.push(place);
        if (time <= floor[slot]!) inHistory.push(place);
      }
    }
    this.#keys.undoTimes(slots);
    return { ...slotted, candidates, inHistory };
  }

  /** Judges a surveyed batch and keeps what it changes. A row that cannot be judged harms no other. */
  judge(survey: Survey, options: JudgeOptions): Judgement {
    const duplicates = this.#duplicatesOf(survey, options.stored);
    const { rules, lateness } = options;
    const parts: Judgement[] = [];
    let sessionNewest = options.sessionNewest;
    const attempt = (part: SlottedBatch, from: number): void => {
      const mark = duplicates?.mark ?? 0;
      try {
        const judged = judgeRows({ ...part, keys: this.#keys, rules, duplicates, sessionNewest, lateness });
        this.#keys.settle(part.slots);
        sessionNewest = judged.sessionNewest;
        parts.push(from === 0 ? judged : shifted(judged, from));
      } catch (error) {
        this.#keys.undo(part.slots);
        duplicates?.rewind(mark);
        const { count } = part.batch;
        if (count <= 1) {
          parts.push(unjudgeable(from, count, sessionNewest));
          if (count === 1) options.logger.log("error", "row_unjudgeable", { problem: problemOf(error), place: from });
          return;
        }
        const middle = count >> 1;
        attempt(this.slotted(takeRows(part.batch, span(0, middle))), from);
        attempt(this.slotted(takeRows(part.batch, span(middle, count))), from + middle);
      }
    };
    attempt(survey, 0);
    return parts.length === 1 ? parts[0]! : merged(parts);
  }

  /** Takes accepted rows among the recent ones; `inOrder` where none was older than its key's newest. */
  admit(accepted: SlottedBatch, inOrder: boolean): RecentBatch {
    const { touched, codes } = accepted.slots;
    const known = inOrder && codes !== null ? this.#keys.newestOf(touched) : undefined;
    return this.recent.add(accepted, known);
  }

  #duplicatesOf({ candidates, times }: Survey, stored: Batch | undefined): DuplicateIndex | undefined {
    if (candidates.length === 0) return undefined;
    const index = new DuplicateIndex(this.version.contract.identity, times, candidates);
    if (stored !== undefined) index.addStored(this.slotted(stored));
    index.addRecent(this.recent);
    return index;
  }

  #load(newestRows: Batch): void {
    const { slots, times } = this.slotted(newestRows);
    const record = this.#keys.recorder(newestRows);
    for (let place = 0; place < newestRows.count; place++) {
      const slot = slotOf(slots, place);
      if (times[place]! < this.#keys.newest[slot]!) continue;
      this.#keys.newest[slot] = times[place]!;
      this.#keys.floor[slot] = times[place]!;
      this.#keys.present[slot] = 1;
      record?.(place, slot);
    }
    this.#keys.settle(slots);
  }
}

const problemOf = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : "thrown");

const unjudgeable = (from: number, count: number, sessionNewest: number): Judgement => ({
  turnedAway: count === 0 ? [] : [{ place: from, outcome: "refused", code: "row_unjudgeable" }],
  corrections: [],
  breaches: new Map(),
  outOfOrder: 0,
  sessionNewest,
});

function shifted(judged: Judgement, by: number): Judgement {
  return {
    breaches: judged.breaches,
    outOfOrder: judged.outOfOrder,
    sessionNewest: judged.sessionNewest,
    turnedAway: judged.turnedAway.map((row): TurnedAway => ({ ...row, place: row.place + by })),
    corrections: judged.corrections.map((place) => place + by),
  };
}

function merged(parts: readonly Judgement[]): Judgement {
  const breaches = new Map<string, number>();
  for (const part of parts) {
    for (const [rule, count] of part.breaches) breaches.set(rule, (breaches.get(rule) ?? 0) + count);
  }
  return {
    breaches,
    turnedAway: parts.flatMap((part) => part.turnedAway),
    corrections: parts.flatMap((part) => part.corrections),
    outOfOrder: parts.reduce((sum, part) => sum + part.outOfOrder, 0),
    sessionNewest: parts.at(-1)!.sessionNewest,
  };
}
