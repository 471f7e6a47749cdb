/**
 * Windows of event time, row by row in log order. What closes a window, and when, depends on the order of rows and
 * session events alone:
 *
 * - a window closes at the row (or the session's own statement) that moves the watermark of a session that
 *   contributed to it to the window's end + lateness or beyond, and when the last session that contributed ends;
 * - a row of a session that is past that point already closes its window again at once: a late row is one correction,
 *   which waits for nothing;
 * - a closed window that takes rows of a session still on its way there (a slower feed, history loaded later) gathers
 *   them and is corrected as a whole once any contributing session moves on past it, falls idle or ends.
 *
 * The hot path is two passes: the first finds the slot of each row, the second runs each aggregate over the pairs of
 * slot and row. Whenever a window closes in between, the pairs so far are run first.
 */
import { type Batch, batchOfCells, type NumberColumn, type Value, valueAt } from "../batch/index.ts";
import type { SeriesContract } from "../contract/index.ts";
import type { Change, Commit, Position } from "../log/index.ts";
import { Aggregation } from "./aggregation.ts";
import { Keys } from "./keys.ts";
import type { Operator } from "./operator.ts";
import type { Outputs } from "./outputs.ts";
import { endsWithCommit, type Session, Sessions, sessionName } from "./sessions.ts";
import { createSourceReader, type SourceReader, type SourceRows } from "./source-reader.ts";
import type { WindowFlowSpec } from "./types.ts";
import { WindowCells } from "./window-cells.ts";
import { CLOSED, REOPENED, Windows } from "./windows.ts";

export class WindowOperator implements Operator {
  readonly #spec: WindowFlowSpec;
  readonly #outputs: Outputs;
  readonly #reader: SourceReader;
  readonly #aggregation: Aggregation;
  readonly #windows: Windows;
  readonly #sessions = new Sessions();
  readonly #keys: Keys;
  readonly #cells: WindowCells;
  readonly #timeColumn: number;
  /** Where key and time name one row, a later row supersedes it: the rows of windows are kept. */
  readonly #keepsRows: boolean;
  readonly #identityColumns: readonly number[];
  #pairs = { slots: new Int32Array(0), rows: new Int32Array(0) };
  #filled = 0;
  #position: Position = 0;
  #before = 0;

  constructor(spec: WindowFlowSpec, source: SeriesContract, outputs: Outputs) {
    const place = (field: string): number => source.layout.findIndex(({ name }) => name === field);
    const { hop, every, retained } = spec.window;
    this.#spec = spec;
    this.#outputs = outputs;
    this.#reader = createSourceReader(source.layout, spec.where, spec.derive);
    this.#keepsRows = source.identity === "keyTime";
    this.#aggregation = new Aggregation(Object.values(spec.aggregates), this.#reader.layout, this.#keepsRows);
    this.#windows = new Windows(retained, this.#aggregation);
    this.#keys = new Keys(spec.by.map(place));
    this.#cells = new WindowCells(hop, every / hop);
    this.#timeColumn = place(source.time);
    // Rows of one window agree in the fields it is kept apart by.
    this.#identityColumns = source.key.filter((field) => !spec.by.includes(field)).map(place);
  }
  get openWindows(): number {
    return this.#windows.open.size;
  }
  get retained(): number {
    return this.#windows.closed.size;
  }
  get keys(): number {
    return this.#keys.count;
  }

  rows(change: Change, commit: Commit, before: number): void {
    this.#position = commit.position;
    this.#before = before;
    if (change.operation === "correct" && !this.#keepsRows) {
      this.#leaveCorrections(change);
      return;
    }
    const source = this.#reader.read(change.batch);
    const times = (source.batch.columns[this.#timeColumn] as NumberColumn).values;
    const keys = this.#keys.of(source.batch);
    this.#cells.room(this.#keys.count);
    const session = this.#sessions.heard(sessionName(commit.cause), (id) => this.#windows.isHeld(id));
    this.#aggregation.bind(source.batch, times);
    if (this.#keepsRows) this.#keptRows(source, times, keys, session, change.operation === "correct");
    else this.#plainRows(source, times, keys, session);
  }
  rowsEnd({ cause }: Commit): void {
    const session = endsWithCommit(cause) ? this.#sessions.named(sessionName(cause)) : undefined;
    if (session !== undefined) this.#end(session);
  }

  sessionEvent({ cause, position }: Commit): void {
    if (cause.kind !== "session") return;
    const session = this.#sessions.named(sessionName(cause));
    if (session === undefined) return;
    this.#position = position;
    // What is not expected any more needs no lateness on top.
    if (cause.watermark !== undefined) {
      session.watermark = Math.max(session.watermark, cause.watermark + this.#spec.window.lateness);
    }
    this.#closeDue(session);
    if (cause.event === "idle") this.#closeWhere(session, (slot) => this.#windows.states[slot] === REOPENED);
    if (cause.event === "ended") this.#end(session);
  }

  provisional(onlyChanged: boolean): Batch {
    const { open, changed } = this.#windows;
    const slots = [...open].filter((slot) => !onlyChanged || changed[slot] === 1);
    changed.fill(0);
    // Windows are marked as changed when a row enters them: from now on each must be entered anew.
    this.#cells.forgetAll();
    return batchOfCells(
      this.#spec.into.layout,
      slots.map((slot) => this.#cellsOf(slot)),
    );
  }

  save(): unknown {
    return { keys: this.#keys.save(), sessions: this.#sessions.save(), windows: this.#windows.save() };
  }
  load(saved: unknown): void {
    const { keys, sessions, windows } = saved as { keys: Value[][]; sessions: unknown; windows: unknown };
    this.#keys.load(keys);
    this.#sessions.load(sessions);
    this.#windows.load(windows);
    this.#cells.forgetAll();
  }
  reset(): void {
    this.#keys.load([]);
    this.#sessions.reset();
    this.#windows.reset();
    this.#cells.forgetAll();
  }

  #plainRows({ batch, passes }: SourceRows, times: Float64Array, keys: Int32Array, session: Session): void {
    const { starts, slots: cellSlots, width } = this.#cells;
    const { slots, rows } = this.#pairsFor(batch.count * width);
    const { hop } = this.#spec.window;
    this.#cells.use(session.id);
    let { watermark, nextClose } = session;
    let filled = 0;
    for (let row = 0; row < batch.count; row++) {
      const time = times[row]!;
      if (time > watermark) {
        watermark = time;
        if (time >= nextClose) {
          session.watermark = time;
          this.#filled = filled;
          this.#run();
          filled = 0;
          this.#closeDue(session);
          nextClose = session.nextClose;
        }
      }
      if (passes !== null && passes[row] === 0) continue;
      const key = keys[row]!;
      const into = time - starts[key]!;
      if (!(into >= 0 && into < hop)) {
        session.watermark = watermark;
        this.#filled = filled;
        const entered = this.#enter(key, time, session, row);
        filled = this.#filled;
        nextClose = session.nextClose;
        if (!entered) continue;
      }
      if (width === 1) {
        slots[filled] = cellSlots[key]!;
        rows[filled++] = row;
        continue;
      }
      let place = key * width;
      const last = place + width;
      do {
        slots[filled] = cellSlots[place++]!;
        rows[filled++] = row;
      } while (place < last);
    }
    session.watermark = watermark;
    this.#filled = filled;
    this.#run();
  }

  /**
   * Finds or begins the windows of a row. True: they are the current ones of its key now. False: the row needed care
   * and has been dealt with.
   */
  #enter(key: number, time: number, session: Session, row: number): boolean {
    const cells = this.#cells;
    const cell = cells.cellOf(time);
    let careful = false;
    for (let index = 0; index < cells.width; index++) {
      const number = cell - cells.width + 1 + index;
      const slot = this.#slotFor(key, number, session, row, "late_row");
      cells.slots[key * cells.width + index] = slot;
      if (slot < 0 || session.watermark >= this.#dueAt(number)) careful = true;
    }
    if (!careful) {
      cells.enter(key, cell);
      return true;
    }
    const targets = cells.slots.slice(key * cells.width, (key + 1) * cells.width).filter((slot) => slot >= 0);
    cells.forget(key);
    for (const slot of targets) {
      this.#pairs.slots[this.#filled] = slot;
      this.#pairs.rows[this.#filled++] = row;
    }
    this.#run();
    for (const slot of targets) if (this.#isPast(session, slot)) this.#close(slot);
    return false;
  }

  #keptRows(
    { batch, passes }: SourceRows,
    times: Float64Array,
    keys: Int32Array,
    session: Session,
    isCorrection: boolean,
  ): void {
    for (let row = 0; row < batch.count; row++) {
      const time = times[row]!;
      if (time > session.watermark) {
        session.watermark = time;
        if (time >= session.nextClose) this.#closeDue(session);
      }
      const own = this.#identityColumns.map((at) => valueAt(batch.columns[at]!, row));
      const identity = own.length === 0 ? time : JSON.stringify([time, ...own]);
      const does = passes === null || passes[row] === 1;
      const cell = this.#cells.cellOf(time);
      for (let index = 0; index < this.#cells.width; index++) {
        const number = cell - this.#cells.width + 1 + index;
        const found = this.#windows.find(keys[row]!, number);
        const known = found !== undefined && this.#aggregation.holds(found, identity);
        if (!does && !known && !(isCorrection && this.#windows.isGone(keys[row]!, number))) continue;
        const slot = this.#slotFor(keys[row]!, number, session, row, known || isCorrection ? "correction" : "late_row");
        if (slot < 0) continue;
        if (does) this.#aggregation.keep(slot, identity, time, row);
        else this.#aggregation.drop(slot, identity);
        if (this.#isPast(session, slot)) this.#close(slot);
      }
    }
  }

  /** The open slot of a window, begun or reopened where it is not; -1 where it is closed and not kept any more. */
  #slotFor(key: number, number: number, session: Session, row: number, reason: "late_row" | "correction"): number {
    const windows = this.#windows;
    let slot = windows.find(key, number);
    if (slot === undefined) {
      if (windows.isGone(key, number)) {
        const time = number * this.#spec.window.hop;
        this.#outputs.leave({
          reason: "beyond_retention",
          position: this.#position,
          sourcePlace: this.#before + row,
          time,
        });
        return -1;
      }
      slot = windows.begin(key, number, session.id);
    } else if (windows.states[slot] === CLOSED) {
      const why = { reason, position: this.#position, sourcePlace: this.#before + row };
      windows.reopen(slot, { ...why, replaced: this.#cellsOf(slot) });
      for (const id of windows.sessionsOf(slot)) this.#expect(this.#sessions.of(id), number);
    }
    windows.contribute(slot, session.id);
    windows.changed[slot] = 1;
    this.#expect(session, number);
    return slot;
  }
  #expect(session: Session | undefined, number: number): void {
    if (session !== undefined) session.nextClose = Math.min(session.nextClose, this.#dueAt(number));
  }

  #closeDue(session: Session): void {
    this.#closeWhere(session, (slot) => this.#isPast(session, slot));
    let next = Infinity;
    const { open, numbers } = this.#windows;
    for (const slot of open) {
      if (this.#windows.contributed(slot, session.id)) next = Math.min(next, this.#dueAt(numbers[slot]!));
    }
    session.nextClose = next;
  }
  /** Closes those windows of a session of which something holds, in the order of their start, then of their key. */
  #closeWhere(session: Session, holds: (slot: number) => boolean): void {
    const { open, numbers, keys } = this.#windows;
    const slots = [...open].filter((slot) => this.#windows.contributed(slot, session.id) && holds(slot));
    slots.sort((one, two) => numbers[one]! - numbers[two]! || keys[one]! - keys[two]!);
    for (const slot of slots) this.#close(slot);
  }
  #end(session: Session): void {
    this.#sessions.forget(session);
    this.#closeWhere(session, (slot) => {
      const awaited = this.#windows.sessionsOf(slot).some((id) => this.#sessions.of(id) !== undefined);
      return !awaited || this.#windows.states[slot] === REOPENED;
    });
  }
  #close(slot: number): void {
    const windows = this.#windows;
    const reopening = windows.reopenings.get(slot);
    const cells = this.#cellsOf(slot);
    if (reopening === undefined) this.#outputs.emit({ operation: "append", cells });
    else if (sameButRevision(cells, reopening.replaced)) windows.revisions[slot]! -= 1;
    else this.#outputs.emit({ operation: "correct", cells, why: reopening });
    this.#cells.forget(windows.keys[slot]!);
    windows.close(slot);
  }

  #dueAt(number: number): number {
    return number * this.#spec.window.hop + this.#spec.window.every + this.#spec.window.lateness;
  }
  #isPast(session: Session, slot: number): boolean {
    return session.watermark >= this.#dueAt(this.#windows.numbers[slot]!);
  }
  #cellsOf(slot: number): Value[] {
    const { keys, numbers, revisions } = this.#windows;
    const start = numbers[slot]! * this.#spec.window.hop;
    return [...this.#keys.valuesOf(keys[slot]!), start, ...this.#aggregation.values(slot), revisions[slot]!];
  }
  #pairsFor(count: number) {
    if (this.#pairs.slots.length < count) this.#pairs = { slots: new Int32Array(count), rows: new Int32Array(count) };
    return this.#pairs;
  }
  /** Runs the aggregates over the pairs gathered so far. */
  #run(): void {
    this.#aggregation.add(this.#pairs, 0, this.#filled);
    this.#filled = 0;
  }
  #leaveCorrections({ batch }: Change): void {
    const times = (batch.columns[this.#timeColumn] as NumberColumn).values;
    for (let row = 0; row < batch.count; row++) {
      const where = { position: this.#position, sourcePlace: this.#before + row, time: times[row]! };
      this.#outputs.leave({ reason: "correction_ambiguous", ...where });
    }
  }
}

/** The revision is the last cell. */
function sameButRevision(one: readonly Value[], two: readonly Value[]): boolean {
  for (let index = 0; index < one.length - 1; index++) if (one[index] !== two[index]) return false;
  return true;
}
