/** Resident memory of a process, sampled while something runs. */
import { systemTimers } from "../../src/base/index.ts";
import type { PoolProcess } from "./pool-process.ts";

export class MemoryProbe {
  mostBytes = 0;
  samples = 0;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(pool: PoolProcess) {
    this.#done = (async () => {
      while (!this.#stop.signal.aborted) {
        this.mostBytes = Math.max(this.mostBytes, await pool.rssBytes());
        this.samples += 1;
        await systemTimers.delay(50, this.#stop.signal).catch(() => {});
      }
    })();
  }
  async stop(): Promise<number> {
    this.#stop.abort();
    await this.#done;
    return this.mostBytes;
  }
}

export const megabytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);
