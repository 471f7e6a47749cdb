/** A rate over the last seconds from a rising count, without keeping samples. */
export class Rate {
  #count = 0;
  #markCount = 0;
  #markMs: number;
  #perSecond = 0;
  readonly #windowMs: number;

  constructor(nowMs: number, windowMs = 3_000) {
    this.#markMs = nowMs;
    this.#windowMs = windowMs;
  }
  get count(): number {
    return this.#count;
  }
  add(amount: number): void {
    this.#count += amount;
  }
  perSecond(nowMs: number): number {
    const elapsedMs = nowMs - this.#markMs;
    if (elapsedMs >= this.#windowMs) {
      this.#perSecond = ((this.#count - this.#markCount) * 1000) / elapsedMs;
      this.#markMs = nowMs;
      this.#markCount = this.#count;
    }
    return this.#perSecond;
  }
}
