/**
 * Sessions for appends that name none. Each request needs a place in some session of the gate; a lane is a session
 * that one request at a time uses, so that there are as many as requests at once, not as many as requests. Lanes belong
 * to a caller: lateness is measured within a session, so nobody's rows can make another's late.
 */
interface Lane {
  readonly session: string;
  batch: number;
}

export class Lanes {
  readonly #free = new Map<string, Lane[]>();
  readonly #newId: () => string;

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** A failed batch leaves its lane behind: whether its number was used is not known for certain. */
  async use<Result>(caller: string, submit: (session: string, batch: number) => Promise<Result>): Promise<Result> {
    const free = this.#free.get(caller) ?? [];
    this.#free.set(caller, free);
    const lane = free.pop() ?? { session: `${caller}/http-${this.#newId()}`, batch: 1 };
    const result = await submit(lane.session, lane.batch);
    lane.batch += 1;
    free.push(lane);
    return result;
  }
}
