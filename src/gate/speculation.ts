/**
 * What is judged but not durable, and what happens when that fails: at the first rejection everything under way is
 * doomed; once the log has said so of each draft, the speculative state is forgotten and new batches are let in again.
 */
import { asMillpondError, fail, type Logger, type MillpondError } from "../base/index.ts";
import type { Position, Receipt } from "../log/index.ts";

export class Speculation {
  /** Drafts handed to the log and not settled. */
  appending = 0;
  /** Rows of those, and of batches that wait to be judged. */
  waitingRows = 0;
  waitingBytes = 0;
  rebuilds = 0;
  /** Raised with every failure and rebuild: what was judged before does not hold any more. */
  epoch = 0;
  /** While present, nothing may be judged; resolves when the state is made anew. */
  recovery: Promise<void> | undefined;
  #recovered: (() => void) | undefined;
  #failure: MillpondError | undefined;
  readonly #logger: Logger;
  readonly #forget: () => Position;
  #rebuiltAt: Position = 0;

  /** `forget` drops the speculative state and gives the position up to which the durable one stands. */
  constructor(logger: Logger, forget: () => Position) {
    this.#logger = logger;
    this.#forget = forget;
  }

  /** @throws `gate_reset` where a failure or a rebuild came between */
  mustHold(epoch: number): void {
    if (epoch !== this.epoch) throw fail("gate_reset", {}, this.#failure);
  }

  /** Follows one draft to its end. `settled` runs where the state it was judged on still holds. */
  async track<T>(
    appended: Promise<Receipt>,
    rows: number,
    bytes: number,
    settled: (outcome: Receipt | MillpondError) => void,
    answer: (receipt: Receipt) => T,
  ): Promise<T> {
    const { epoch } = this;
    this.appending += 1;
    this.waitingRows += rows;
    this.waitingBytes += bytes;
    let failure: MillpondError | undefined;
    try {
      const receipt = await appended;
      if (epoch === this.epoch) settled(receipt);
      // Rows of a failed draft may have made rows of this one duplicates: the promise of the log was broken.
      else if (receipt.position > this.#rebuiltAt)
        this.#logger.log("error", "gate_draft_outlived_failure", { position: receipt.position });
      return answer(receipt);
    } catch (error) {
      failure = asMillpondError(error);
      this.#failure = failure;
      if (epoch === this.epoch) settled(failure);
      throw failure;
    } finally {
      this.appending -= 1;
      this.waitingRows -= rows;
      this.waitingBytes -= bytes;
      if (failure !== undefined && epoch === this.epoch) this.fail(failure);
      else this.#recover();
    }
  }

  /** Dooms what is under way. Returns the error, to be thrown. */
  fail(error: unknown): MillpondError {
    const failure = asMillpondError(error);
    this.#failure = failure;
    this.epoch += 1;
    if (this.#recovered === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.recovery = promise;
      this.#recovered = resolve;
    }
    this.#logger.log("warn", "gate_speculation_failed", { code: failure.code, appending: this.appending });
    this.#recover();
    return failure;
  }

  rebuild(): void {
    this.epoch += 1;
    this.rebuilds += 1;
    this.#rebuiltAt = this.#forget();
    if (this.#recovered === undefined) return;
    const recovered = this.#recovered;
    this.#recovered = undefined;
    // Right before those that wait for it go on, not at once: who comes until then must not overtake them.
    queueMicrotask(() => {
      if (this.#recovered === undefined) this.recovery = undefined;
    });
    recovered();
  }

  #recover(): void {
    if (this.#recovered !== undefined && this.appending === 0) this.rebuild();
  }
}
