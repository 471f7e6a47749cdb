/**
 * How far each source session has come: the newest event time of its rows, filtered or not. A window closes when the
 * watermark of a session that contributed to it moves far enough past its end.
 */
import type { Cause } from "../log/index.ts";

export interface Session {
  readonly id: number;
  readonly name: string;
  /** Microseconds; -Infinity before the first row. */
  watermark: number;
  /** No window of the session can close while its watermark is below this. */
  nextClose: number;
}

/** More sessions than this are not remembered unless they have open windows; the longest silent go first. */
const MOST_SESSIONS = 10_000;

/** The session rows belong to. Commits outside any session are a session of their kind. */
export function sessionName(cause: Cause): string {
  if (cause.kind === "feed" || cause.kind === "session") return JSON.stringify([cause.feed, cause.session]);
  return cause.kind === "flow" ? `flow ${cause.flow}` : cause.kind;
}

/** Whether nothing more is to be expected of a session once the commit is over. */
export const endsWithCommit = (cause: Cause): boolean => cause.kind === "retry";

export class Sessions {
  readonly #byName = new Map<string, Session>();
  readonly #byId = new Map<number, Session>();
  #nextId = 1;

  /** The session, made if new, and marked as the last one heard of. */
  heard(name: string, isHeld: (id: number) => boolean): Session {
    const known = this.#byName.get(name);
    if (known !== undefined) {
      this.#byName.delete(name);
      this.#byName.set(name, known);
      return known;
    }
    const made: Session = { id: this.#nextId++, name, watermark: -Infinity, nextClose: Infinity };
    this.#add(made);
    if (this.#byName.size > MOST_SESSIONS) this.#forgetOne(isHeld, made);
    return made;
  }
  named(name: string): Session | undefined {
    return this.#byName.get(name);
  }
  of(id: number): Session | undefined {
    return this.#byId.get(id);
  }
  forget(session: Session): void {
    this.#byName.delete(session.name);
    this.#byId.delete(session.id);
  }

  save(): unknown {
    return { nextId: this.#nextId, sessions: [...this.#byName.values()].map((session) => ({ ...session })) };
  }
  load(saved: unknown): void {
    const { nextId, sessions } = saved as { nextId: number; sessions: readonly Session[] };
    this.reset();
    this.#nextId = nextId;
    for (const session of sessions) this.#add({ ...session });
  }
  reset(): void {
    this.#byName.clear();
    this.#byId.clear();
    this.#nextId = 1;
  }

  #add(session: Session): void {
    this.#byName.set(session.name, session);
    this.#byId.set(session.id, session);
  }
  #forgetOne(isHeld: (id: number) => boolean, newest: Session): void {
    for (const session of this.#byName.values()) {
      if (session === newest || isHeld(session.id)) continue;
      this.forget(session);
      return;
    }
  }
}
