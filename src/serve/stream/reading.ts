/**
 * Whether a connection is read on. What must hold: whoever does not take the answers is not asked for more questions,
 * so that what waits for one connection stays bounded, whatever it asks for.
 */
import type { Outlet } from "./outlet.ts";

/** Not read on while more than this waits to be taken; dropped where it is more than four times that. */
const UNTAKEN_BYTES = 16 * 1024 * 1024;

interface Readable {
  pause(): void;
  resume(): void;
  terminate(): void;
}

export class Reading {
  readonly #socket: Readable;
  readonly #outlet: Outlet;
  /** Reasons not to read on; there may be two at once. */
  #held = 0;
  #untaken = false;

  constructor(socket: Readable, outlet: Outlet) {
    this.#socket = socket;
    this.#outlet = outlet;
  }
  hold(held: boolean): void {
    this.#held += held ? 1 : -1;
    if (this.#held === 0) this.#socket.resume();
    else this.#socket.pause();
  }
  /** To be called after every answer. */
  answered(): void {
    const bytes = this.#outlet.bufferedBytes();
    if (bytes > 4 * UNTAKEN_BYTES) this.#socket.terminate();
    else if (bytes > UNTAKEN_BYTES && !this.#untaken) {
      this.#untaken = true;
      this.hold(true);
      this.#outlet.onceDrained(() => {
        this.#untaken = false;
        this.hold(false);
      });
    }
  }
}
