/**
 * Sessions for appends that name none. Each request needs a place in some session of the gate; a lane is a session
 * that one request at a time uses, so that there are as many as requests at once, not as many as requests.
 */
interface Lane {
  readonly session: string;
  batch: number;
}

export class Lanes {
  readonly #free: Lane[] = [];
  readonly #newId: () => string;

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** A failed batch leaves its lane behind: whether its number was used is not known for certain. */
  async use<Result>(submit: (session: string, batch: number) => Promise<Result>): Promise<Result> {
    const lane = this.#free.pop() ?? { session: this.#newId(), batch: 1 };
    const result = await submit(lane.session, lane.batch);
    lane.batch += 1;
    this.#free.push(lane);
    return result;
  }
}
