/**
 * Drives a view: follows the log from wherever the view stands, declares contracts before their rows, and starts again
 * after any failure. What must hold: the view is given every commit once and in order; a view of another history is
 * dropped and built again, never continued; nothing is held between steps but a position.
 */
import { asMillpondError, type Environment, fail, isAbort, type MillpondError, toHex } from "../base/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import type { Commit, Log, Position } from "../log/index.ts";
import type { View } from "./types.ts";

export interface ViewRunnerOptions {
  /** Every contract version known so far; asked again when a commit names one not seen before. */
  readonly contracts: () => Iterable<ContractVersion>;
  /** Which datasets the view holds; default all. */
  readonly accepts?: (dataset: string) => boolean;
  /** Most payload bytes per step. Default 4 MiB. */
  readonly stepBytes?: number;
  /**
   * Pause after each step while nobody waits for the view, so that a busy log is taken in gulps and not commit by
   * commit: each step wakes another thread. Default 0.
   */
  readonly gatherMs?: number;
}

export interface ViewLag {
  /** Commits the view has not been given yet. */
  readonly commits: number;
  /** Commits that a crash now would make it take again. */
  readonly notDurable: number;
}

export interface ViewRunner {
  readonly view: View;
  /** Follows until the signal aborts; failures are retried with growing pauses, never thrown. */
  run(signal: AbortSignal): Promise<void>;
  readonly name: string;
  readonly position: Position;
  /** Queries see everything up to here. */
  readonly durablePosition: Position;
  lag(): ViewLag;
  /** The failure being retried; undefined while all is well. */
  readonly lastError: MillpondError | undefined;
  /**
   * Resolves when queries see everything up to a position, making the view flush where it must. With `visible: false`
   * it is enough that the view was given the commits.
   */
  waitFor(position: Position, options?: { readonly signal?: AbortSignal; readonly visible?: boolean }): Promise<void>;
  /** Empties the view and fills it again; resolves when queries see all that the log held at the call. */
  rebuild(): Promise<void>;
}

const STEP_COMMITS = 4096;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;

export function createViewRunner(
  view: View,
  log: Log,
  environment: Pick<Environment, "timers" | "logger">,
  options: ViewRunnerOptions,
): ViewRunner {
  return new Runner(view, log, environment, options);
}

class Runner implements ViewRunner {
  readonly view: View;
  readonly #log: Log;
  readonly #environment: Pick<Environment, "timers" | "logger">;
  readonly #options: ViewRunnerOptions;
  readonly #declared = new Set<string>();
  readonly #waiters = new Set<() => void>();
  #flushing: Promise<void> | undefined;
  #endGather: (() => void) | undefined;
  /** Ends the present following, so that the next one begins with an empty view. */
  #restart: AbortController | undefined;
  readonly #emptied = new Set<() => void>();
  /** Ran, and does not any more. */
  #stopped = false;
  lastError: MillpondError | undefined;

  constructor(view: View, log: Log, environment: Pick<Environment, "timers" | "logger">, options: ViewRunnerOptions) {
    this.view = view;
    this.#log = log;
    this.#environment = environment;
    this.#options = options;
  }
  get name(): string {
    return this.view.name;
  }
  get position(): Position {
    return this.view.position;
  }
  get durablePosition(): Position {
    return this.view.durablePosition;
  }
  lag(): ViewLag {
    const head = this.#log.head.position;
    return { commits: head - this.view.position, notDurable: head - this.view.durablePosition };
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#stopped = false;
    try {
      await this.#run(signal);
    } finally {
      // Who waits for the view to move would wait for ever.
      this.#stopped = true;
      this.#wake();
    }
  }
  async #run(signal: AbortSignal): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const before = this.view.durablePosition;
      try {
        await this.#follow(signal);
        if (signal.aborted) return;
        continue;
      } catch (error) {
        if (isAbort(error, signal) || signal.aborted) return;
        this.lastError = asMillpondError(error);
        if (this.lastError.code === "log_closed" || this.lastError.code === "view_closed") return;
        const { code, message } = this.lastError;
        this.#environment.logger.log("warn", "view_retry", { view: this.view.name, code, message, pauseMs });
      }
      if (this.view.durablePosition > before) pauseMs = FIRST_PAUSE_MS;
      await this.#environment.timers.delay(pauseMs, signal).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /**
   * Until the signal aborts or the view is to be rebuilt, or the view loses what it was given: then this ends with that
   * failure.
   */
  async #follow(signal: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const restart = new AbortController();
    const detach = this.view.onFailure((error) => lost.abort(error));
    this.#restart = restart;
    try {
      await this.#emptyWhereAsked();
      await this.#checkHistory();
      await this.#declareKnown();
      const limit = { commits: STEP_COMMITS, bytes: this.#options.stepBytes ?? 4 * 1024 * 1024 };
      const either = AbortSignal.any([signal, lost.signal, restart.signal]);
      for await (const run of this.#log.follow(this.view.position, { signal: either, limit })) {
        const accepted = this.#accepted(run);
        if (this.#hasUndeclared(accepted)) await this.#declareKnown();
        await this.view.apply(accepted);
        this.lastError = undefined;
        this.#wake();
        await this.#gather(either);
      }
      lost.signal.throwIfAborted();
      if (!signal.aborted && !restart.signal.aborted) throw fail("log_closed");
    } finally {
      detach();
    }
  }

  async rebuild(): Promise<void> {
    const { position } = this.#log.head;
    await new Promise<void>((resolve) => {
      this.#emptied.add(resolve);
      this.#restart?.abort();
    });
    await this.waitFor(position);
  }
  async #emptyWhereAsked(): Promise<void> {
    const asked = [...this.#emptied];
    if (asked.length === 0) return;
    await this.view.drop();
    this.#declared.clear();
    for (const resolve of asked) {
      this.#emptied.delete(resolve);
      resolve();
    }
  }

  /** The view's last durable commit must be in this log, or the view belongs to another history. */
  async #checkHistory(): Promise<void> {
    const { durablePosition, durableHash } = this.view;
    if (durablePosition === 0) return;
    if (durablePosition <= this.#log.head.position) {
      const [commit] = await this.#log.read(durablePosition - 1, { commits: 1 });
      if (commit && toHex(commit.hash) === durableHash) return;
    }
    const details = { view: this.view.name, position: durablePosition, head: this.#log.head.position };
    this.#environment.logger.log("warn", "view_rebuilt", details);
    await this.view.drop();
    this.#declared.clear();
  }
  async #declareKnown(): Promise<void> {
    const { accepts } = this.#options;
    for (const contract of this.#options.contracts()) {
      const name = nameOf(contract.contract.name, contract.version);
      if (this.#declared.has(name) || accepts?.(contract.contract.name) === false) continue;
      await this.view.declare(contract);
      this.#declared.add(name);
    }
  }
  #hasUndeclared(run: readonly Commit[]): boolean {
    for (const { cause, changes } of run) {
      if (cause.kind === "contract" && !this.#declared.has(nameOf(cause.dataset, cause.version))) return true;
      for (const { dataset, contract } of changes) if (!this.#declared.has(nameOf(dataset, contract))) return true;
    }
    return false;
  }
  #accepted(run: readonly Commit[]): readonly Commit[] {
    const { accepts } = this.#options;
    if (!accepts || run.every(({ changes }) => changes.every(({ dataset }) => accepts(dataset)))) return run;
    return run.map((commit) => ({ ...commit, changes: commit.changes.filter(({ dataset }) => accepts(dataset)) }));
  }

  /** Ends early as soon as someone waits, or the signal aborts. */
  async #gather(signal: AbortSignal): Promise<void> {
    const { gatherMs = 0 } = this.#options;
    if (gatherMs === 0 || this.#waiters.size > 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        this.#endGather = undefined;
        resolve();
      };
      const cancel = this.#environment.timers.after(gatherMs, end);
      signal.addEventListener("abort", end, { once: true });
      this.#endGather = end;
    });
  }
  async waitFor(
    position: Position,
    { signal, visible = true }: { readonly signal?: AbortSignal; readonly visible?: boolean } = {},
  ): Promise<void> {
    while ((visible ? this.view.durablePosition : this.view.position) < position) {
      signal?.throwIfAborted();
      if (this.lastError?.code === "log_closed" || this.lastError?.code === "view_closed") throw this.lastError;
      if (visible && this.view.position >= position) await this.#flush();
      else if (this.#stopped) throw fail("view_closed", { view: this.view.name });
      else await this.#next(signal);
    }
  }
  /** One flush serves all who wait. When what was given is lost, the run gives it again and the waiting goes on. */
  async #flush(): Promise<void> {
    this.#flushing ??= this.view
      .flush()
      .catch((error: unknown) => {
        if (asMillpondError(error).code !== "view_failed") throw error;
      })
      .finally(() => {
        this.#flushing = undefined;
      });
    await this.#flushing;
  }
  #next(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => (): void => {
        this.#waiters.delete(onWake);
        signal?.removeEventListener("abort", onAbort);
        settle();
      };
      const onWake = finish(resolve);
      const onAbort = finish(() => reject(signal?.reason ?? fail("view_closed", { view: this.view.name })));
      this.#waiters.add(onWake);
      this.#endGather?.();
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
  #wake(): void {
    for (const resume of [...this.#waiters]) resume();
  }
}

const nameOf = (dataset: string, version: number): string => `${dataset}@${version}`;
