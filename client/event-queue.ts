/** Events between the socket and an iterator, counted in bytes. */
import type { Batch } from "../src/batch/index.ts";
import type { StreamEvent } from "./types.ts";

export class EventQueue<Row> {
  readonly #limitBytes: number;
  readonly #onEmpty: () => void;
  #events: StreamEvent<Row>[] = [];
  #next = 0;
  #bytes = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  #error: Error | undefined;

  constructor(limitBytes: number, onEmpty: () => void) {
    this.#limitBytes = limitBytes;
    this.#onEmpty = onEmpty;
  }

  /** @returns false where more than the limit waits now */
  push(event: StreamEvent<Row>): boolean {
    this.#events.push(event);
    this.#bytes += sizeOf(event);
    this.#wake?.();
    this.#wake = undefined;
    return this.#bytes <= this.#limitBytes;
  }
  end(error?: Error): void {
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
    this.#wake = undefined;
  }

  iterate(onReturn: () => void): AsyncIterator<StreamEvent<Row>> {
    return {
      next: async () => {
        for (;;) {
          const event = this.#take();
          if (event !== undefined) return { done: false, value: event };
          if (this.#error !== undefined) throw this.#error;
          if (this.#ended) return { done: true, value: undefined };
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      },
      return: async () => {
        onReturn();
        return { done: true, value: undefined };
      },
    };
  }

  #take(): StreamEvent<Row> | undefined {
    const event = this.#events[this.#next];
    if (event === undefined) return undefined;
    this.#next += 1;
    this.#bytes -= sizeOf(event);
    if (this.#next === this.#events.length) {
      this.#events = [];
      this.#next = 0;
      this.#onEmpty();
    }
    return event;
  }
}

function sizeOf(event: { readonly batch?: Batch } | object): number {
  const batch = "batch" in event ? event.batch : undefined;
  return batch === undefined ? 64 : 64 + batch.count * batch.columns.length * 8;
}
