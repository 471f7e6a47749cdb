/**
 * Structured concurrency: every task has an owner. A scope owns the tasks started in it; closing it asks each to stop
 * through the signal and waits until all have ended. A task that fails ends its scope, and the failure reaches whoever
 * waits for it: nothing floats, nothing fails unheard.
 */
export interface Scope {
  /** Aborted when the scope closes or one of its tasks fails. */
  readonly signal: AbortSignal;
  /** Starts a task that must end soon after the signal aborts. Its failure ends the scope. */
  run(name: string, task: (signal: AbortSignal) => Promise<void>): void;
  /** Names of the tasks that have not ended. */
  running(): readonly string[];
  /** Stops and awaits all tasks; rejects with the first failure that was not the stop itself. */
  close(): Promise<void>;
  /** Resolves when every task has ended by itself; rejects with the first failure. */
  join(): Promise<void>;
}

export function createScope(parent?: AbortSignal): Scope {
  const controller = new AbortController();
  const tasks = new Map<Promise<void>, string>();
  let failure: { error: unknown } | undefined;
  const onParentAbort = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) onParentAbort();
  else parent?.addEventListener("abort", onParentAbort, { once: true });

  const settle = async (): Promise<void> => {
    while (tasks.size > 0) await Promise.all(tasks.keys());
    parent?.removeEventListener("abort", onParentAbort);
    if (failure) throw failure.error;
  };
  return {
    signal: controller.signal,
    run(name, task) {
      const running: Promise<void> = Promise.resolve()
        .then(() => task(controller.signal))
        .catch((error: unknown) => {
          if (controller.signal.aborted && isAbort(error, controller.signal)) return;
          failure ??= { error };
          controller.abort(error);
        })
        .finally(() => tasks.delete(running));
      tasks.set(running, name);
    },
    running: () => [...tasks.values()],
    close() {
      controller.abort(new DOMException("the scope is closing", "AbortError"));
      return settle();
    },
    join: settle,
  };
}

/** Whether an error is only the echo of the signal's own abort. */
export function isAbort(error: unknown, signal?: AbortSignal): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  return error instanceof Error && error.name === "AbortError";
}
