/**
 * The supervisor owns every long-running task of a pool: it starts them, starts them again after a failure as their
 * policy says, gives up when they fail too often, and can show all of them at any moment. There are no orphans: what is
 * not in the snapshot does not run.
 */
import { asMillpondError, createScope, type Environment, isAbort } from "../base/index.ts";

export interface RestartPolicy {
  /** `on-failure` lets a task that returns by itself rest; `always` starts it again. */
  readonly restart: "never" | "on-failure" | "always";
  /** The wait before the first restart; doubled with every failure in a row, ± 25 % by chance. */
  readonly initialDelayMs: number;
  readonly maximumDelayMs: number;
  /** More failures than this within the window and the task is given up. */
  readonly cutOff: { readonly failures: number; readonly withinMs: number };
}

export const defaultPolicy: RestartPolicy = {
  restart: "on-failure",
  initialDelayMs: 100,
  maximumDelayMs: 30_000,
  cutOff: { failures: 10, withinMs: 60_000 },
};

export type TaskState = "running" | "waiting" | "stopped" | "given-up";

export interface TaskSnapshot {
  readonly name: string;
  readonly state: TaskState;
  readonly starts: number;
  readonly failures: number;
  /** Error code and message, never a stack. */
  readonly lastError: string | null;
  /** When the present state began, in microseconds. */
  readonly since: number;
}

export interface Supervisor {
  /**
   * Runs a task under a policy. The task ends soon after its signal aborts. `onGivenUp` is called when the cut-off is
   * reached: the pool then says so in its readiness.
   */
  run(name: string, task: (signal: AbortSignal) => Promise<void>, policy?: Partial<RestartPolicy>): void;
  snapshot(): readonly TaskSnapshot[];
  /** Stops all tasks and waits for them. */
  close(): Promise<void>;
}

interface Entry {
  name: string;
  state: TaskState;
  starts: number;
  failures: number;
  lastError: string | null;
  since: number;
}

export function createSupervisor(environment: Environment): Supervisor {
  const { clock, timers, random, logger } = environment;
  const scope = createScope();
  const entries = new Map<string, Entry>();

  const enter = (entry: Entry, state: TaskState): void => {
    entry.state = state;
    entry.since = clock.now();
  };
  const supervise = async (
    entry: Entry,
    task: (signal: AbortSignal) => Promise<void>,
    policy: RestartPolicy,
    signal: AbortSignal,
  ): Promise<void> => {
    let recent: number[] = [];
    while (!signal.aborted) {
      enter(entry, "running");
      entry.starts += 1;
      try {
        await task(signal);
        if (policy.restart !== "always") break;
        recent = [];
      } catch (error) {
        if (signal.aborted && isAbort(error, signal)) break;
        const known = asMillpondError(error);
        entry.failures += 1;
        entry.lastError = `${known.code}: ${known.message}`;
        logger.log(known.spec.level, "task_failed", { task: entry.name, code: known.code, error });
        const nowMs = clock.monotonicMs();
        recent = [...recent.filter((at) => nowMs - at < policy.cutOff.withinMs), nowMs];
        if (policy.restart === "never" || recent.length > policy.cutOff.failures) {
          enter(entry, "given-up");
          logger.log("error", "task_given_up", { task: entry.name, failures: recent.length });
          return;
        }
      }
      if (signal.aborted) break;
      enter(entry, "waiting");
      const doubled = policy.initialDelayMs * 2 ** Math.max(0, recent.length - 1);
      const delayMs = Math.min(policy.maximumDelayMs, doubled) * (0.75 + random.next() / 2);
      await timers.delay(delayMs, signal).catch(() => {});
    }
    enter(entry, "stopped");
  };

  return {
    run(name, task, policy) {
      const entry: Entry = { name, state: "waiting", starts: 0, failures: 0, lastError: null, since: clock.now() };
      entries.set(name, entry);
      scope.run(name, (signal) => supervise(entry, task, { ...defaultPolicy, ...policy }, signal));
    },
    snapshot: () => [...entries.values()].map((entry) => ({ ...entry })),
    close: () => scope.close(),
  };
}
