/**
 * Latencies in logarithmic buckets about 2 % wide: constant memory, a recording is two operations, and percentiles
 * are right within a bucket. For figures shown to people and metrics, not for tests.
 */
const BUCKETS_PER_DOUBLING = 32;
const SMALLEST_MS = 0.001;
const BUCKETS = 32 * BUCKETS_PER_DOUBLING;

export class Histogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #maximumMs = 0;

  record(latencyMs: number): void {
    const bucket = Math.round(Math.log2(Math.max(latencyMs, SMALLEST_MS) / SMALLEST_MS) * BUCKETS_PER_DOUBLING);
    this.#buckets[Math.min(bucket, BUCKETS - 1)]! += 1;
    this.#count += 1;
    if (latencyMs > this.#maximumMs) this.#maximumMs = latencyMs;
  }
  get count(): number {
    return this.#count;
  }
  get maximumMs(): number {
    return this.#maximumMs;
  }
  /** The latency that the given share (0 to 1) of the recordings do not exceed; undefined without recordings. */
  percentileMs(share: number): number | undefined {
    if (this.#count === 0) return undefined;
    let wanted = share * this.#count;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      wanted -= this.#buckets[bucket]!;
      if (wanted <= 0) return Math.min(SMALLEST_MS * 2 ** (bucket / BUCKETS_PER_DOUBLING), this.#maximumMs);
    }
    return this.#maximumMs;
  }
  /** Forgets everything, so that figures can be about the last minute and not about for ever. */
  clear(): void {
    this.#buckets.fill(0);
    this.#count = 0;
    this.#maximumMs = 0;
  }
}
