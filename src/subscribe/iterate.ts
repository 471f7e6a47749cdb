/** A subscription as an async iterator: a sink with a queue in memory, measured so that the hub can bound it. */
import { batchSize } from "./delivery.ts";
import type { Delivery, Frame, Sink, Subscription } from "./types.ts";

class QueueSink implements Sink {
  readonly frames: Frame[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;
  #drained: (() => void)[] = [];

  send(delivery: Delivery): void {
    for (const frame of delivery.frames) {
      this.frames.push(frame);
      this.#bytes += sizeOf(frame);
    }
    this.wake();
  }
  bufferedBytes(): number {
    return this.#bytes;
  }
  onceDrained(callback: () => void): void {
    if (this.frames.length === 0) queueMicrotask(callback);
    else this.#drained.push(callback);
  }
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
  take(): Frame | undefined {
    const frame = this.frames.shift();
    if (frame !== undefined) this.#bytes -= sizeOf(frame);
    if (this.frames.length === 0 && this.#drained.length > 0) {
      const drained = this.#drained;
      this.#drained = [];
      for (const callback of drained) queueMicrotask(callback);
    }
    return frame;
  }
  arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

const sizeOf = (frame: Frame): number => ("batch" in frame ? batchSize(frame.batch) : 64);

/** Subscribes at once, so that nothing is missed before the first `next` and a refusal is thrown here. */
export function iterateFrames(
  subscribe: (sink: Sink) => Subscription,
  signal?: AbortSignal,
): AsyncIterableIterator<Frame> {
  const sink = new QueueSink();
  const subscription = subscribe(sink);
  const stop = (): void => {
    subscription.close();
    sink.wake();
  };
  if (signal?.aborted) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  let ended = false;
  const end = (): IteratorResult<Frame> => {
    ended = true;
    signal?.removeEventListener("abort", stop);
    stop();
    return { done: true, value: undefined };
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      while (!ended && signal?.aborted !== true) {
        const frame = sink.take();
        if (frame !== undefined) {
          if (frame.kind === "cut") ended = true;
          return { done: false, value: frame };
        }
        await sink.arrival();
      }
      return end();
    },
    async return() {
      return end();
    },
  };
}
