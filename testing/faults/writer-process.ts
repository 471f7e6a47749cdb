/** Starting the log writer, hearing what it says, and ending it at a bad moment. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export class WriterProcess {
  readonly process: ChildProcess;
  /** Hash by position of everything acknowledged. */
  readonly acknowledged = new Map<number, string>();
  readonly #listeners = new Set<() => void>();
  readonly #ended: Promise<unknown>;
  readonly #heard: Promise<unknown>;
  headAtStart: number | undefined;
  done = false;

  constructor(
    folder: string,
    options: { mode?: string; inFlight?: number; limit?: number; env?: NodeJS.ProcessEnv } = {},
  ) {
    const program = new URL("./log-writer.ts", import.meta.url).pathname;
    const { mode = "full", inFlight = 8, limit = 1_000_000, env = process.env } = options;
    this.process = spawn(process.execPath, [program, folder, mode, String(inFlight), String(limit)], {
      stdio: ["ignore", "pipe", "inherit"],
      env,
    });
    const lines = createInterface({ input: this.process.stdout! });
    lines.on("line", (line) => this.#hear(line));
    this.#heard = once(lines, "close");
    this.#ended = once(this.process, "exit");
    this.process.on("exit", () => this.#wake());
  }
  #hear(line: string): void {
    const [word, position, hash] = line.split(" ");
    if (word === "ready") this.headAtStart = Number(position);
    if (word === "ack" && hash?.length === 64) this.acknowledged.set(Number(position), hash);
    if (word === "done") this.done = true;
    this.#wake();
  }
  #wake(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Resolves when a condition on what was heard holds; rejects when the process ended before. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (!condition() && this.process.exitCode === null && this.process.signalCode === null) return;
        this.#listeners.delete(check);
        if (condition()) resolve();
        else reject(new Error(`the writer ended by itself (${this.process.exitCode ?? this.process.signalCode})`));
      };
      this.#listeners.add(check);
      check();
    });
  }
  get lastAcknowledged(): number {
    return Math.max(0, ...this.acknowledged.keys());
  }
  /** SIGKILL; resolves when the process is gone and everything it had said was heard. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await Promise.all([this.#ended, this.#heard]);
  }
}
