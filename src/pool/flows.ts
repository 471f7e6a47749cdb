/**
 * Runs the declared flows on the live log: after each durable run their folds have moved, and what they derived is
 * appended. Derived rows are as durable as any: an append that failed is repeated from the flow's own state, which
 * knows what the log holds.
 */
import { asMillpondError, type Environment } from "../base/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import { createFlow, type FlowSpec, type RunningFlow } from "../flow/index.ts";
import type { Draft, Log, Receipt } from "../log/index.ts";

const RETRY_MS = 500;

export interface FlowDriver {
  readonly flows: readonly RunningFlow[];
  /** By the dataset it derives. */
  flowInto(dataset: string): RunningFlow | undefined;
  /** To be called once when the flows' folds have replayed the log. */
  goLive(): void;
  /** Appends whatever the flows have derived since the last call. */
  pump(): void;
  /** The last failed append by flow, until one succeeds. */
  lastError(flow: string): string | undefined;
  /** Waits until everything appended has settled; what failed is derived again after the next start. */
  settle(): Promise<void>;
}

interface Driven {
  readonly flow: RunningFlow;
  underWay: number;
  failed: boolean;
  lastError: string | undefined;
}

export function createFlowDriver(
  specs: readonly FlowSpec[],
  contracts: ReadonlyMap<string, ContractVersion>,
  log: Log,
  environment: Environment,
): FlowDriver {
  const driven = specs.map((spec): Driven => {
    const { contract } = contracts.get(spec.source)!;
    const { version } = contracts.get(spec.into.name)!;
    return { flow: createFlow(spec, { contract, version }), underWay: 0, failed: false, lastError: undefined };
  });
  let live = false;
  let cancelRetry: (() => void) | undefined;
  const settling = new Set<Promise<void>>();

  const appendDraft = (one: Driven, draft: Draft): void => {
    one.underWay += 1;
    const appended: Promise<void> = log
      .append(draft)
      .then(
        (_receipt: Receipt) => {
          one.lastError = undefined;
        },
        (error: unknown) => {
          const { code, message } = asMillpondError(error);
          one.failed = true;
          one.lastError = `${code}: ${message}`;
          environment.logger.log("warn", "flow_append_failed", { flow: one.flow.name, code });
        },
      )
      .finally(() => {
        settling.delete(appended);
        one.underWay -= 1;
        if (one.underWay === 0 && one.failed) again(one);
      });
    settling.add(appended);
  };
  /** Nothing of this flow is under way any more, so what the log lacks can be given again. */
  const again = (one: Driven): void => {
    one.failed = false;
    one.flow.retake();
    if (one.lastError?.startsWith("log_closed") || one.lastError?.startsWith("log_read_only")) return;
    cancelRetry ??= environment.timers.after(RETRY_MS, () => {
      cancelRetry = undefined;
      pump();
    });
  };
  const pump = (): void => {
    if (!live) return;
    for (const one of driven) {
      if (!one.failed) for (const draft of one.flow.takeDrafts()) appendDraft(one, draft);
    }
  };

  return {
    flows: driven.map(({ flow }) => flow),
    flowInto: (dataset) => driven.find(({ flow }) => flow.spec.into.name === dataset)?.flow,
    goLive: () => {
      for (const { flow } of driven) flow.goLive();
      live = true;
      pump();
    },
    pump,
    lastError: (flow) => driven.find((one) => one.flow.spec.name === flow)?.lastError,
    settle: async () => {
      while (settling.size > 0) await Promise.all(settling);
      cancelRetry?.();
    },
  };
}
