/**
 * The current windows of each key, so that nearly every row finds its slots by two comparisons. A cell is one hop of
 * time; all rows of a key in one cell belong to the same `width` windows.
 */
export class WindowCells {
  /** Windows per row. */
  readonly width: number;
  /** By key: where its cell starts, in microseconds; NaN where it has none. */
  starts = new Float64Array(0);
  /** By key: `width` slots, in the order of window starts. */
  slots = new Int32Array(0);
  readonly #hop: number;
  /** All cells were entered by rows of this session, which is therefore known to contribute to their windows. */
  #session = 0;

  constructor(hop: number, width: number) {
    this.#hop = hop;
    this.width = width;
  }
  /** Makes room for so many keys. */
  room(keys: number): void {
    if (keys <= this.starts.length) return;
    const capacity = Math.max(keys, this.starts.length * 2, 16);
    const { starts, slots } = this;
    this.starts = new Float64Array(capacity).fill(NaN);
    this.starts.set(starts);
    this.slots = new Int32Array(capacity * this.width);
    this.slots.set(slots);
  }
  /** The number of the last window a time belongs to. */
  cellOf(time: number): number {
    return Math.floor(time / this.#hop);
  }
  /** Rows of this session follow. */
  use(session: number): void {
    if (this.#session !== session) this.forgetAll();
    this.#session = session;
  }
  enter(key: number, cell: number): void {
    this.starts[key] = cell * this.#hop;
  }
  forget(key: number): void {
    this.starts[key] = NaN;
  }
  forgetAll(): void {
    this.starts.fill(NaN);
  }
}
