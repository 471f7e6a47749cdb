/**
 * Syncs the high-water mark in the background, at most ten times a second, so that no acknowledgement waits for it.
 * The writing thread cannot do this: it sleeps outside its event loop.
 */
import { type FileHandle, open } from "node:fs/promises";
import type { Environment } from "../../base/index.ts";

const EVERY_MS = 100;

export class MarkSync {
  readonly #path: string;
  readonly #environment: Environment;
  #file: FileHandle | undefined;
  #waiting: (() => void) | undefined;
  #syncing: Promise<void> = Promise.resolve();
  /** Why the last sync failed. */
  problem: string | undefined;

  constructor(path: string, environment: Environment) {
    this.#path = path;
    this.#environment = environment;
  }
  /** The mark moved; it is synced within a tenth of a second. */
  changed(): void {
    this.#waiting ??= this.#environment.timers.after(EVERY_MS, () => {
      this.#waiting = undefined;
      this.#syncing = this.#syncing.then(() => this.#sync());
    });
  }
  async #sync(): Promise<void> {
    try {
      this.#file ??= await open(this.#path, "r+");
      await this.#file.datasync();
      this.problem = undefined;
    } catch (error) {
      this.problem = `the high-water mark could not be synced: ${(error as Error).message}`;
      this.#environment.logger.log("error", "log_unhealthy", { problem: this.problem });
    }
  }
  async close(): Promise<void> {
    this.#waiting?.();
    await this.#syncing;
    await this.#file?.close();
  }
}
