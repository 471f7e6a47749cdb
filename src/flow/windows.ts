/**
 * The windows a flow knows, in slots: open ones, and closed ones kept so that a late row can reopen them. Beyond the
 * kept ones only the numbers of closed windows are remembered, so that a window is never begun a second time.
 *
 * A window is named by its key and its number: start = number × hop.
 */
import { IntervalSet } from "./interval-set.ts";

export const CLOSED = 0;
/** Never closed so far. */
export const OPEN = 1;
/** Was closed, has taken a row since. */
export const REOPENED = 2;

/** Why a window that was closed is open again. */
export interface Reopening {
  readonly reason: "late_row" | "correction";
  readonly position: number;
  readonly sourcePlace: number;
  readonly replaced: readonly (number | string | boolean | null)[];
}

interface SavedWindow {
  readonly key: number;
  readonly number: number;
  readonly state: number;
  readonly revision: number;
  readonly sessions: readonly number[];
  readonly reopening?: Reopening;
  readonly content: unknown;
}

/** What is kept per slot beside the window itself. */
export interface SlotContent {
  grow(capacity: number): void;
  clear(slot: number): void;
  save(slot: number): unknown;
  load(slot: number, saved: unknown): void;
}

export class Windows {
  keys = new Int32Array(0);
  numbers = new Float64Array(0);
  states = new Uint8Array(0);
  revisions = new Int32Array(0);
  changed = new Uint8Array(0);
  readonly reopenings = new Map<number, Reopening>();
  /** Slots, in order of opening. */
  readonly open = new Set<number>();
  /** Slots, in order of closing. */
  readonly closed = new Set<number>();
  #fromOldest = this.closed.values();
  readonly #retained: number;
  readonly #content: SlotContent;
  readonly #byKey: Map<number, number>[] = [];
  readonly #gone: IntervalSet[] = [];
  #firstSession = new Int32Array(0);
  readonly #otherSessions = new Map<number, number[]>();
  #free: number[] = [];

  constructor(retained: number, content: SlotContent) {
    this.#retained = retained;
    this.#content = content;
    this.#grow(64);
  }

  find(key: number, number: number): number | undefined {
    return this.#byKey[key]?.get(number);
  }
  /** Whether the window was closed and is no longer kept. */
  isGone(key: number, number: number): boolean {
    return this.#gone[key]?.has(number) ?? false;
  }
  begin(key: number, number: number, session: number): number {
    if (this.#free.length === 0) this.#grow(this.keys.length * 2);
    const slot = this.#free.pop()!;
    while (this.#byKey.length <= key) {
      this.#byKey.push(new Map());
      this.#gone.push(new IntervalSet());
    }
    this.#byKey[key]!.set(number, slot);
    this.keys[slot] = key;
    this.numbers[slot] = number;
    this.states[slot] = OPEN;
    this.revisions[slot] = 0;
    this.#firstSession[slot] = session;
    this.open.add(slot);
    return slot;
  }
  reopen(slot: number, reopening: Reopening): void {
    this.closed.delete(slot);
    this.open.add(slot);
    this.states[slot] = REOPENED;
    this.revisions[slot]! += 1;
    this.reopenings.set(slot, reopening);
  }
  /** Closes a window; the longest closed one beyond what is retained is let go. */
  close(slot: number): void {
    this.open.delete(slot);
    this.closed.add(slot);
    this.states[slot] = CLOSED;
    this.reopenings.delete(slot);
    if (this.closed.size > this.#retained) this.#letGo();
  }

  contribute(slot: number, session: number): void {
    if (this.#firstSession[slot] === session) return;
    const others = this.#otherSessions.get(slot);
    if (others === undefined) this.#otherSessions.set(slot, [session]);
    else if (!others.includes(session)) others.push(session);
  }
  contributed(slot: number, session: number): boolean {
    return this.#firstSession[slot] === session || (this.#otherSessions.get(slot)?.includes(session) ?? false);
  }
  sessionsOf(slot: number): readonly number[] {
    return [this.#firstSession[slot]!, ...(this.#otherSessions.get(slot) ?? [])];
  }
  isHeld(session: number): boolean {
    for (const slot of this.open) if (this.contributed(slot, session)) return true;
    return false;
  }

  save(): unknown {
    const saved = (slot: number): SavedWindow => {
      const reopening = this.reopenings.get(slot);
      return {
        key: this.keys[slot]!,
        number: this.numbers[slot]!,
        state: this.states[slot]!,
        revision: this.revisions[slot]!,
        sessions: this.sessionsOf(slot),
        ...(reopening === undefined ? {} : { reopening }),
        content: this.#content.save(slot),
      };
    };
    const windows = [...this.closed, ...this.open].map(saved);
    return { windows, gone: this.#gone.map((set) => set.save()) };
  }
  load(given: unknown): void {
    const { windows, gone } = given as { windows: readonly SavedWindow[]; gone: readonly (readonly number[])[] };
    this.reset();
    for (const { key, number, state, revision, sessions, reopening, content } of windows) {
      const slot = this.begin(key, number, sessions[0]!);
      for (const session of sessions) this.contribute(slot, session);
      this.#content.load(slot, content);
      this.revisions[slot] = revision;
      this.states[slot] = state;
      if (reopening !== undefined) this.reopenings.set(slot, reopening);
      this.changed[slot] = state === CLOSED ? 0 : 1;
      if (state === CLOSED) {
        this.open.delete(slot);
        this.closed.add(slot);
      }
    }
    gone.forEach((runs, key) => {
      while (this.#gone.length <= key) {
        this.#byKey.push(new Map());
        this.#gone.push(new IntervalSet());
      }
      this.#gone[key]!.load(runs);
    });
  }
  reset(): void {
    for (const slot of [...this.open, ...this.closed]) this.#clear(slot);
    this.open.clear();
    this.closed.clear();
    this.reopenings.clear();
    this.#byKey.length = 0;
    this.#gone.length = 0;
  }

  #letGo(): void {
    const slot = this.#oldestClosed();
    this.closed.delete(slot);
    this.#byKey[this.keys[slot]!]!.delete(this.numbers[slot]!);
    this.#gone[this.keys[slot]!]!.add(this.numbers[slot]!);
    this.#clear(slot);
  }
  /**
   * The same iterator goes on from where it stood: a fresh one would walk over the places of all windows that were let
   * go since the set last tidied itself.
   */
  #oldestClosed(): number {
    let next = this.#fromOldest.next();
    if (next.done) {
      this.#fromOldest = this.closed.values();
      next = this.#fromOldest.next();
    }
    return next.value!;
  }
  #clear(slot: number): void {
    this.#content.clear(slot);
    this.#otherSessions.delete(slot);
    this.changed[slot] = 0;
    this.#free.push(slot);
  }
  #grow(capacity: number): void {
    const from = this.keys.length;
    this.keys = moved(this.keys, new Int32Array(capacity));
    this.numbers = moved(this.numbers, new Float64Array(capacity));
    this.states = moved(this.states, new Uint8Array(capacity));
    this.revisions = moved(this.revisions, new Int32Array(capacity));
    this.changed = moved(this.changed, new Uint8Array(capacity));
    this.#firstSession = moved(this.#firstSession, new Int32Array(capacity));
    this.#content.grow(capacity);
    for (let slot = capacity - 1; slot >= from; slot--) this.#free.push(slot);
  }
}

function moved<T extends Int32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
