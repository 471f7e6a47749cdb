/** Rows per second over the last seconds, without a timer: readings of growing counters, compared when asked. */
import type { Clock } from "../base/index.ts";

export class RateMeter {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #readings = new Map<string, { atMs: number; total: number }[]>();

  constructor(clock: Clock, windowMs = 5_000) {
    this.#clock = clock;
    this.#windowMs = windowMs;
  }
  /** Takes a reading and gives the rate since the oldest reading within the window; 0 with only one reading. */
  rate(name: string, total: number): number {
    const atMs = this.#clock.monotonicMs();
    const readings = this.#readings.get(name) ?? [];
    if (readings.length === 0 || atMs - readings.at(-1)!.atMs > 200) readings.push({ atMs, total });
    while (readings.length > 2 && atMs - readings[0]!.atMs > this.#windowMs) readings.shift();
    this.#readings.set(name, readings);
    const oldest = readings[0]!;
    return atMs > oldest.atMs ? ((total - oldest.total) * 1000) / (atMs - oldest.atMs) : 0;
  }
}
