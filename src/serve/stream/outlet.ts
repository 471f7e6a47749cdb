/**
 * What goes out of a socket: everything written in one turn of the event loop leaves in one system call. What must
 * hold: bytes leave in the order of the calls; `bufferedBytes` counts all that the other side has not taken.
 */
import type { Timers } from "../../base/index.ts";

/** Below this, pieces are copied into one; above, the system gathers them. */
const COPY_BYTES = 64 * 1024;
const RECHECK_MS = 10;

/** Flushes all outlets that were written to, once a turn, after the turn's events. */
export class Flusher {
  #dirty: Outlet[] = [];
  readonly #flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const outlet of dirty) outlet.flush();
  };
  add(outlet: Outlet): void {
    if (this.#dirty.push(outlet) === 1) setImmediate(this.#flush);
  }
}

/** A TCP socket, or the response of a request that stays open. */
export interface Pipe {
  readonly writableLength: number;
  readonly writableNeedDrain: boolean;
  readonly writable: boolean;
  readonly destroyed: boolean;
  write(bytes: Buffer): boolean;
  cork(): void;
  uncork(): void;
  on(event: "drain" | "close", listener: () => void): unknown;
}

export class Outlet {
  readonly #socket: Pipe;
  readonly #flusher: Flusher;
  readonly #timers: Timers;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #waiting: (() => void)[] = [];
  #rechecking = false;

  constructor(socket: Pipe, flusher: Flusher, timers: Timers) {
    this.#socket = socket;
    this.#flusher = flusher;
    this.#timers = timers;
    socket.on("drain", () => this.#drained());
    socket.on("close", () => {
      this.#waiting = [];
    });
  }

  write(bytes: Buffer): void {
    if (this.#pieces.length === 0) this.#flusher.add(this);
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
  }
  bufferedBytes(): number {
    return this.#bytes + this.#socket.writableLength;
  }
  onceDrained(callback: () => void): void {
    this.#waiting.push(callback);
    this.#recheck();
  }

  flush(): void {
    const pieces = this.#pieces;
    const bytes = this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
    if (bytes === 0 || !this.#socket.writable) return;
    if (pieces.length === 1) this.#socket.write(pieces[0]!);
    else if (bytes <= COPY_BYTES) this.#socket.write(Buffer.concat(pieces, bytes));
    else {
      this.#socket.cork();
      for (const piece of pieces) this.#socket.write(piece);
      this.#socket.uncork();
    }
  }

  /** A socket says `drain` only if it had more than its own mark; for less there is this second look. */
  #recheck(): void {
    if (this.#rechecking) return;
    this.#rechecking = true;
    this.#timers.after(this.bufferedBytes() === 0 ? 0 : RECHECK_MS, () => {
      this.#rechecking = false;
      if (this.#waiting.length === 0 || this.#socket.destroyed) return;
      if (this.bufferedBytes() === 0) this.#drained();
      else if (!this.#socket.writableNeedDrain) this.#recheck();
    });
  }
  #drained(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }
}
