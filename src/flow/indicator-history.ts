/**
 * The newest rows of one key, and every so often the state its indicators were in, so that a changed or inserted row
 * costs no more than working on from the state before it. The outputs of rows are not kept: they follow from the
 * oldest kept state and the inputs after it, in the very numbers, as do all later states.
 */
import type { IndicatorPlan } from "./indicator-plan.ts";

/** Rows between two captured states, but where states are large: they take no more room than a few numbers a row. */
const STRIDE = 64;
const NUMBERS_PER_ROW = 8;

/** A row whose values are new or have changed. NaN is null. */
export interface ChangedRow {
  readonly time: number;
  readonly outputs: Float64Array;
  readonly revision: number;
  /** Its values before; absent for a new row. */
  readonly former?: Float64Array;
}

interface Checkpoint {
  /** The row that comes next in this state. */
  readonly at: number;
  readonly state: Float64Array;
}

/** All that a history is: what else it holds follows from this. */
export interface HistoryContent {
  readonly times: Float64Array;
  /** Row by row. */
  readonly inputs: Float64Array;
  readonly revisions: Int32Array;
  /** The state before the first row. */
  readonly oldest: Float64Array;
  /** Rows before which states are captured. */
  readonly captured: readonly number[];
  /** Whether older rows than the kept ones have been let go. */
  readonly trimmed: boolean;
}

export class IndicatorHistory {
  readonly #plan: IndicatorPlan;
  readonly #retained: number;
  readonly #stride: number;
  readonly #width: number;
  #count = 0;
  #times = new Float64Array(0);
  #inputs = new Float64Array(0);
  #revisions = new Int32Array(0);
  #checkpoints: Checkpoint[] = [];
  /** After the newest row. */
  #state: Float64Array;
  #trimmed = false;

  constructor(plan: IndicatorPlan, retained: number) {
    this.#plan = plan;
    this.#retained = retained;
    this.#stride = Math.max(STRIDE, Math.ceil(plan.stateWidth / NUMBERS_PER_ROW));
    this.#width = plan.inputs.length;
    this.#state = new Float64Array(plan.stateWidth);
  }
  get length(): number {
    return this.#count;
  }

  /** Takes a row that is newer than all and gives its outputs; false, and nothing is done, where it is not. */
  append(time: number, inputs: Float64Array, outputs: Float64Array): boolean {
    const row = this.#count;
    if (row > 0 && !(time > this.#times[row - 1]!)) return false;
    this.#insert(row, time, inputs);
    this.#capture(row);
    this.#plan.advance(this.#state, inputs, 0, outputs);
    this.#trim();
    return true;
  }
  /** What a row among the known ones changes, in the order of time; undefined where it lies before all that is kept. */
  change(time: number, inputs: Float64Array): readonly ChangedRow[] | undefined {
    const place = this.#placeOf(time);
    let former: Float64Array | undefined;
    if (this.#times[place] !== time) {
      if (place === 0 && this.#trimmed) return undefined;
      this.#insert(place, time, inputs);
    } else {
      former = this.#inputs.slice(place * this.#width, (place + 1) * this.#width);
      if (sameNumbers(former, inputs)) return [];
      this.#inputs.set(inputs, place * this.#width);
    }
    const changed = this.#recompute(place, former);
    this.#trim();
    return changed;
  }

  /** Views of what is here now: to be copied before the next change. */
  content(): HistoryContent {
    return {
      times: this.#times.subarray(0, this.#count),
      inputs: this.#inputs.subarray(0, this.#count * this.#width),
      revisions: this.#revisions.subarray(0, this.#count),
      oldest: this.#checkpoints[0]?.state ?? this.#state,
      captured: this.#checkpoints.map(({ at }) => at),
      trimmed: this.#trimmed,
    };
  }
  /** Into a history that is new: works through all rows, so that states are what they were. */
  restore({ times, inputs, revisions, oldest, captured, trimmed }: HistoryContent): void {
    this.#room(times.length);
    this.#count = times.length;
    this.#times.set(times);
    this.#inputs.set(inputs);
    this.#revisions.set(revisions);
    this.#trimmed = trimmed;
    this.#state.set(oldest);
    const outputs = new Float64Array(this.#plan.outputWidth);
    let next = 0;
    for (let row = 0; row < this.#count; row++) {
      if (captured[next] === row) {
        this.#checkpoints.push({ at: row, state: this.#state.slice() });
        next += 1;
      }
      this.#plan.advance(this.#state, this.#inputs, row * this.#width, outputs);
    }
  }

  /**
   * Works on from the last captured state at or before a row, twice: as it was (without the row, or with its former
   * inputs) and as it is now. Gives the rows from there whose outputs differ.
   */
  #recompute(place: number, formerInputs: Float64Array | undefined): ChangedRow[] {
    const { outputWidth } = this.#plan;
    while (this.#checkpoints.at(-1)!.at > place) this.#checkpoints.pop();
    const { at, state } = this.#checkpoints.at(-1)!;
    this.#state.set(state);
    let outputs = new Float64Array(outputWidth);
    let former = new Float64Array(outputWidth);
    for (let row = at; row < place; row++) this.#step(row, outputs);
    const formerState = this.#state.slice();
    const changed: ChangedRow[] = [];
    for (let row = place; row < this.#count; row++) {
      this.#step(row, outputs);
      const time = this.#times[row]!;
      if (row === place && formerInputs === undefined) {
        changed.push({ time, outputs, revision: 0 });
        outputs = new Float64Array(outputWidth);
        continue;
      }
      if (row === place) this.#plan.advance(formerState, formerInputs!, 0, former);
      else this.#plan.advance(formerState, this.#inputs, row * this.#width, former);
      if (sameNumbers(former, outputs)) continue;
      this.#revisions[row]! += 1;
      changed.push({ time, outputs, revision: this.#revisions[row]!, former });
      outputs = new Float64Array(outputWidth);
      former = new Float64Array(outputWidth);
    }
    return changed;
  }
  #step(row: number, outputs: Float64Array): void {
    this.#capture(row);
    this.#plan.advance(this.#state, this.#inputs, row * this.#width, outputs);
  }
  #capture(at: number): void {
    const last = this.#checkpoints.at(-1);
    if (last !== undefined && at - last.at < this.#stride) return;
    this.#checkpoints.push({ at, state: this.#state.slice() });
  }
  #insert(place: number, time: number, inputs: Float64Array): void {
    const width = this.#width;
    const count = this.#count;
    this.#room(count + 1);
    if (place < count) {
      this.#times.copyWithin(place + 1, place, count);
      this.#inputs.copyWithin((place + 1) * width, place * width, count * width);
      this.#revisions.copyWithin(place + 1, place, count);
    }
    this.#times[place] = time;
    this.#inputs.set(inputs, place * width);
    this.#revisions[place] = 0;
    this.#count = count + 1;
  }
  #room(count: number): void {
    if (count <= this.#times.length) return;
    const most = this.#retained + this.#stride * 2;
    const capacity = Math.max(count, Math.min(this.#times.length * 2, most), 16);
    const { times, inputs, revisions } = { times: this.#times, inputs: this.#inputs, revisions: this.#revisions };
    this.#times = new Float64Array(capacity);
    this.#times.set(times);
    this.#inputs = new Float64Array(capacity * this.#width);
    this.#inputs.set(inputs);
    this.#revisions = new Int32Array(capacity);
    this.#revisions.set(revisions);
  }
  #trim(): void {
    const spare = this.#count - this.#retained;
    if (spare < this.#stride * 2) return;
    const kept = this.#checkpoints.findLastIndex(({ at }) => at <= spare);
    const { at } = this.#checkpoints[kept]!;
    if (at === 0) return;
    this.#times.copyWithin(0, at, this.#count);
    this.#inputs.copyWithin(0, at * this.#width, this.#count * this.#width);
    this.#revisions.copyWithin(0, at, this.#count);
    this.#count -= at;
    this.#checkpoints = this.#checkpoints.slice(kept).map((each) => ({ at: each.at - at, state: each.state }));
    this.#trimmed = true;
  }
  /** The first row at or after a time. */
  #placeOf(time: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[middle]! < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** NaN, which is null, equals itself. */
function sameNumbers(one: Float64Array, two: Float64Array): boolean {
  for (let index = 0; index < one.length; index++) {
    if (one[index] !== two[index] && !(Number.isNaN(one[index]) && Number.isNaN(two[index]))) return false;
  }
  return true;
}
