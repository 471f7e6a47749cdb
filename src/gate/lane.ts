/** One at a time, in the order of asking. */
export class Lane {
  #tail: Promise<void> = Promise.resolve();

  /** Resolves when all before are through; the next one waits until the function it gives is called. */
  async turn(): Promise<() => void> {
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tail = promise;
    await before;
    return resolve;
  }
}
