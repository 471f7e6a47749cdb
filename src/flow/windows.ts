/**
 * The windows a flow knows, in slots: open ones, and closed ones kept so that a late row can reopen them. Beyond the
 * kept ones only the numbers of closed windows are remembered, so that a window is never begun a second time.
 *
 * A window is named by its key and its number: start = number × hop.
 */
import { picked } from "./columns.ts";
import { IntervalSet } from "./interval-set.ts";
import { eachList, type Packed, type PackedLists, packed, packedLists } from "./packed.ts";

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

/** All windows as columns: the closed ones in order of closing, then the open ones in order of opening. */
interface SavedWindows {
  readonly keys: Packed;
  readonly numbers: Packed;
  readonly states: Packed;
  readonly revisions: Packed;
  readonly firstSessions: Packed;
  /** By place in the columns, for the few that have them. */
  readonly otherSessions: readonly (readonly [number, readonly number[]])[];
  readonly reopenings: readonly (readonly [number, Reopening])[];
  readonly content: unknown;
  /** By key. */
  readonly gone: PackedLists;
}

/** What is kept per slot beside the window itself. */
export interface SlotContent {
  grow(capacity: number): void;
  clear(slot: number): void;
  /** What is kept for these slots, as few columns of plain data. */
  save(slots: readonly number[]): unknown;
  /** The same number of slots, all of them clear. */
  load(slots: readonly number[], saved: unknown): void;
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
    this.#roomFor(key);
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

  save(): SavedWindows {
    const slots = [...this.closed, ...this.open];
    const column = (of: Float64Array | Int32Array | Uint8Array): Packed => packed(picked(of, slots));
    const placed = <Kind>(of: ReadonlyMap<number, Kind>, copy: (each: Kind) => Kind): (readonly [number, Kind])[] =>
      of.size === 0
        ? []
        : slots.flatMap((slot, place) => (of.has(slot) ? [[place, copy(of.get(slot)!)] as const] : []));
    return {
      keys: column(this.keys),
      numbers: column(this.numbers),
      states: column(this.states),
      revisions: column(this.revisions),
      firstSessions: column(this.#firstSession),
      otherSessions: placed(this.#otherSessions, (sessions) => [...sessions]),
      reopenings: placed(this.reopenings, (reopening) => reopening),
      content: this.#content.save(slots),
      gone: packedLists(this.#gone.map((set) => set.save())),
    };
  }
  load(given: unknown): void {
    const { keys, numbers, states, revisions, firstSessions, otherSessions, reopenings, content, gone } =
      given as SavedWindows;
    this.reset();
    const slots: number[] = [];
    for (let place = 0; place < keys.length; place++) {
      const slot = this.begin(keys[place]!, numbers[place]!, firstSessions[place]!);
      const state = states[place]!;
      slots.push(slot);
      this.states[slot] = state;
      this.revisions[slot] = revisions[place]!;
      this.changed[slot] = state === CLOSED ? 0 : 1;
      if (state !== CLOSED) continue;
      this.open.delete(slot);
      this.closed.add(slot);
    }
    for (const [place, sessions] of otherSessions) this.#otherSessions.set(slots[place]!, [...sessions]);
    for (const [place, reopening] of reopenings) this.reopenings.set(slots[place]!, reopening);
    this.#content.load(slots, content);
    eachList(gone, (runs, key) => {
      this.#roomFor(key);
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

  #roomFor(key: number): void {
    while (this.#byKey.length <= key) {
      this.#byKey.push(new Map());
      this.#gone.push(new IntervalSet());
    }
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
