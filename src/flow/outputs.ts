/**
 * Derived rows between their making and the log. Each waits here with the position of the source commit that made it
 * until a commit of this flow with `through` at or beyond that position is seen: then it is in the log. So replaying
 * after a crash neither repeats a derived row nor leaves one out.
 */
import { batchOfCells, encodeBatch, type Layout, type Value } from "../batch/index.ts";
import type { Change, Correction, Draft, Operation, Position } from "../log/index.ts";
import type { FlowCause, LeftOut } from "./types.ts";

export interface DerivedRow {
  readonly operation: Operation;
  readonly cells: readonly Value[];
  /** For corrections. */
  readonly why?: Omit<Correction, "place">;
}

type Waiting = { readonly position: Position } & ({ readonly row: DerivedRow } | { readonly leftOut: LeftOut });

interface SavedOutputs {
  readonly through: Position;
  readonly applied: Position;
  readonly takenThrough: Position;
  readonly taken: number;
  readonly waiting: readonly Waiting[];
  readonly rows: number;
  readonly corrections: number;
  readonly leftOut: number;
}

const nothing: SavedOutputs = {
  through: 0,
  applied: 0,
  takenThrough: 0,
  taken: 0,
  waiting: [],
  rows: 0,
  corrections: 0,
  leftOut: 0,
};

export class Outputs {
  through: Position = 0;
  rows = 0;
  corrections = 0;
  leftOut = 0;
  readonly #flow: string;
  readonly #dataset: string;
  readonly #layout: Layout;
  readonly #contract: number;
  #waiting: Waiting[] = [];
  /** How many of the waiting are in drafts that were given out. */
  #taken = 0;
  #takenThrough: Position = 0;
  #applied: Position = 0;
  #live = false;

  constructor(flow: string, dataset: string, layout: Layout, contract: number) {
    this.#flow = flow;
    this.#dataset = dataset;
    this.#layout = layout;
    this.#contract = contract;
  }
  get waitingRows(): number {
    return this.#waiting.length;
  }

  /** Says that what follows comes from this source commit. */
  begin(position: Position): void {
    this.#applied = position;
  }
  emit(row: DerivedRow): void {
    this.rows += 1;
    if (row.operation === "correct") this.corrections += 1;
    this.#waiting.push({ position: this.#applied, row });
  }
  leave(leftOut: LeftOut): void {
    this.leftOut += 1;
    this.#waiting.push({ position: this.#applied, leftOut });
  }
  /** A commit of this flow is in the log. */
  confirm(through: Position): void {
    const rest = this.#waiting.findIndex(({ position }) => position > through);
    const done = rest < 0 ? this.#waiting.length : rest;
    this.#waiting.splice(0, done);
    this.#taken = Math.max(0, this.#taken - done);
    this.through = Math.max(this.through, through);
  }

  goLive(): void {
    this.#live = true;
    this.retake();
  }
  retake(): void {
    this.#taken = 0;
    this.#takenThrough = this.through;
  }
  take(): readonly Draft[] {
    if (!this.#live || this.#taken === this.#waiting.length) return [];
    const given = this.#waiting.slice(this.#taken);
    const after = Math.max(this.through, this.#takenThrough);
    this.#taken = this.#waiting.length;
    this.#takenThrough = this.#applied;
    const rows = given.flatMap((each) => ("row" in each ? [each.row] : []));
    const leftOut = given.flatMap((each) => ("leftOut" in each ? [each.leftOut] : []));
    const appended = rows.filter(({ operation }) => operation === "append");
    const corrected = rows.filter(({ operation }) => operation === "correct");
    const corrections = corrected.map(({ why }, place) => ({ place, ...why! }));
    const cause: FlowCause = {
      kind: "flow",
      flow: this.#flow,
      after,
      through: this.#applied,
      ...(corrections.length === 0 ? {} : { corrections }),
      ...(leftOut.length === 0 ? {} : { leftOut }),
    };
    const changes = [...this.#change("append", appended), ...this.#change("correct", corrected)];
    return [{ actor: `flow:${this.#flow}`, cause, changes }];
  }

  save(): SavedOutputs {
    const { through, rows, corrections, leftOut } = this;
    const [taken, takenThrough, applied] = [this.#taken, this.#takenThrough, this.#applied];
    return { through, applied, takenThrough, taken, waiting: [...this.#waiting], rows, corrections, leftOut };
  }
  load(saved: unknown): void {
    const { through, applied, takenThrough, taken, waiting, rows, corrections, leftOut } = saved as SavedOutputs;
    Object.assign(this, { through, rows, corrections, leftOut });
    this.#waiting = [...waiting];
    this.#taken = taken;
    this.#takenThrough = takenThrough;
    this.#applied = applied;
    this.#live = false;
  }
  reset(): void {
    this.load(nothing);
  }

  #change(operation: Operation, rows: readonly DerivedRow[]): Change[] {
    if (rows.length === 0) return [];
    const batch = batchOfCells(
      this.#layout,
      rows.map(({ cells }) => cells),
    );
    return [{ dataset: this.#dataset, contract: this.#contract, operation, batch, bytes: encodeBatch(batch) }];
  }
}
