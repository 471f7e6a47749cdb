/**
 * The newest rows of one key with the values of its indicators, and every so often the state the indicators were in,
 * so that a changed or inserted row costs no more than working on from the state before it.
 */
import { createStep, type IndicatorStep, outputsOf } from "./indicator-steps.ts";
import type { IndicatorSpec } from "./types.ts";

/** Rows between two captured states. */
const STRIDE = 64;

export type Cell = number | null;

/** One row of a history. */
interface Entry {
  readonly time: number;
  /** Of all indicators, one behind the other. */
  inputs: readonly Cell[];
  outputs: readonly Cell[];
  revision: number;
}

/** A row whose values are new or have changed. */
export interface ChangedEntry {
  readonly time: number;
  readonly outputs: readonly Cell[];
  readonly revision: number;
  /** Its values before; absent for a new row. */
  readonly former?: readonly Cell[];
}

interface Checkpoint {
  /** The row that comes next in this state. */
  at: number;
  readonly states: readonly unknown[];
}

interface SavedHistory {
  readonly entries: readonly Entry[];
  readonly checkpoints: readonly Checkpoint[];
  readonly states: readonly unknown[];
  readonly trimmed: boolean;
}

export class IndicatorHistory {
  readonly #specs: readonly IndicatorSpec[];
  readonly #retained: number;
  readonly #steps: readonly IndicatorStep[];
  #entries: Entry[] = [];
  #checkpoints: Checkpoint[] = [];
  /** Whether older rows than the kept ones have been let go. */
  #trimmed = false;

  constructor(specs: readonly IndicatorSpec[], retained: number) {
    this.#specs = specs;
    this.#retained = retained;
    this.#steps = specs.map(createStep);
  }
  get length(): number {
    return this.#entries.length;
  }

  /** What a row changes, in the order of time; undefined where the row lies before all that is kept. */
  put(time: number, inputs: readonly Cell[]): readonly ChangedEntry[] | undefined {
    const entries = this.#entries;
    const newest = entries[entries.length - 1];
    if (newest === undefined || time > newest.time) {
      this.#capture(entries.length);
      const outputs = this.#advance(inputs);
      entries.push({ time, inputs, outputs, revision: 0 });
      this.#trim();
      return [{ time, outputs, revision: 0 }];
    }
    const place = this.#placeOf(time);
    const found = entries[place]!;
    if (found.time !== time) {
      if (place === 0 && this.#trimmed) return undefined;
      entries.splice(place, 0, { time, inputs, outputs: [], revision: -1 });
      for (const checkpoint of this.#checkpoints) if (checkpoint.at > place) checkpoint.at += 1;
    } else if (sameCells(found.inputs, inputs)) return [];
    else found.inputs = inputs;
    const changed = this.#recompute(place);
    this.#trim();
    return changed;
  }

  save(): SavedHistory {
    return {
      entries: this.#entries.map((entry) => ({ ...entry })),
      checkpoints: this.#checkpoints.map((checkpoint) => ({ ...checkpoint })),
      states: this.#steps.map((step) => step.capture()),
      trimmed: this.#trimmed,
    };
  }
  load(saved: unknown): void {
    const { entries, checkpoints, states, trimmed } = saved as SavedHistory;
    this.#entries = entries.map((entry) => ({ ...entry }));
    this.#checkpoints = checkpoints.map((checkpoint) => ({ ...checkpoint }));
    this.#restore(states);
    this.#trimmed = trimmed;
  }

  /** Works on from the last captured state at or before a row; gives the rows from there that differ. */
  #recompute(place: number): ChangedEntry[] {
    while (this.#checkpoints.at(-1)!.at > place) this.#checkpoints.pop();
    const { at, states } = this.#checkpoints.at(-1)!;
    this.#restore(states);
    const changed: ChangedEntry[] = [];
    for (let index = at; index < this.#entries.length; index++) {
      this.#capture(index);
      const entry = this.#entries[index]!;
      const former = entry.outputs;
      const outputs = this.#advance(entry.inputs);
      const isNew = entry.revision < 0;
      if (!isNew && sameCells(former, outputs)) continue;
      entry.outputs = outputs;
      entry.revision += 1;
      const { time, revision } = entry;
      changed.push(isNew ? { time, outputs, revision } : { time, outputs, revision, former });
    }
    return changed;
  }
  #advance(inputs: readonly Cell[]): readonly Cell[] {
    const outputs: Cell[] = [];
    let from = 0;
    for (let index = 0; index < this.#steps.length; index++) {
      const spec = this.#specs[index]!;
      const own = inputs.slice(from, from + spec.inputs.length);
      from += spec.inputs.length;
      // A row that lacks an input has no value and leaves the indicator as it was.
      if (own.includes(null)) for (const _ of outputsOf(spec)) outputs.push(null);
      else for (const value of this.#steps[index]!.next(own as readonly number[])) outputs.push(settled(value));
    }
    return outputs;
  }
  #capture(at: number): void {
    const last = this.#checkpoints.at(-1);
    if (last !== undefined && at - last.at < STRIDE) return;
    this.#checkpoints.push({ at, states: this.#steps.map((step) => step.capture()) });
  }
  #restore(states: readonly unknown[]): void {
    this.#steps.forEach((step, index) => {
      step.restore(states[index]);
    });
  }
  #trim(): void {
    const spare = this.#entries.length - this.#retained;
    if (spare < STRIDE * 2) return;
    const kept = this.#checkpoints.findLastIndex(({ at }) => at <= spare);
    const { at } = this.#checkpoints[kept]!;
    if (at === 0) return;
    this.#entries.splice(0, at);
    this.#checkpoints.splice(0, kept);
    for (const checkpoint of this.#checkpoints) checkpoint.at -= at;
    this.#trimmed = true;
  }
  /** The first row at or after a time. */
  #placeOf(time: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.time < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const settled = (value: Cell): Cell => (value === null || !Number.isFinite(value) ? null : value + 0);

function sameCells(one: readonly Cell[], two: readonly Cell[]): boolean {
  for (let index = 0; index < one.length; index++) if (one[index] !== two[index]) return false;
  return true;
}
