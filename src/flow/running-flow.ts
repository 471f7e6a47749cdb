/** A flow that runs: commits in, drafts out. What is common to all kinds of flows; the rest is in their operators. */
import { fail } from "../base/index.ts";
import type { Layout } from "../batch/index.ts";
import type { SeriesContract } from "../contract/index.ts";
import type { Commit } from "../log/index.ts";
import { IndicatorOperator } from "./indicator-operator.ts";
import { MapOperator } from "./map-operator.ts";
import type { Operator } from "./operator.ts";
import { Outputs } from "./outputs.ts";
import type { FlowSpec, RunningFlow } from "./types.ts";
import { WindowOperator } from "./window-operator.ts";

export interface FlowSetting {
  /** The source as it is declared today; batches of older versions of it are understood. */
  readonly contract: SeriesContract;
  /** Version of the derived contract in the log; default 1. */
  readonly version?: number;
}

/** Raised when the saved form of any flow changes. */
const SAVED_FORM = 2;

/**
 * A flow in its state before the first commit.
 * @throws `contract_invalid` where the contract is not that of the source; what `checkExpression` throws
 */
export function createFlow(spec: FlowSpec, { contract, version = 1 }: FlowSetting): RunningFlow {
  if (contract.name !== spec.source) {
    throw fail("contract_invalid", {
      dataset: spec.name,
      problem: `its source is ${spec.source}, not ${contract.name}`,
    });
  }
  const outputs = new Outputs(spec.name, spec.into.name, spec.into.layout, version);
  const operator = operatorOf(spec, contract, outputs);
  return {
    spec,
    name: `flow-${spec.name}`,
    version: meaningOf(spec, contract.layout),
    layout: spec.into.layout,
    get through() {
      return outputs.through;
    },
    get openWindows() {
      return operator.openWindows;
    },
    apply(run) {
      for (const commit of run) applyCommit(commit, spec, operator, outputs);
    },
    goLive: () => outputs.goLive(),
    takeDrafts: () => outputs.take(),
    retake: () => outputs.retake(),
    provisional: (onlyChanged) => operator.provisional(onlyChanged),
    figures: () => ({
      openWindows: operator.openWindows,
      retained: operator.retained,
      keys: operator.keys,
      waitingRows: outputs.waitingRows,
      rows: outputs.rows,
      corrections: outputs.corrections,
      leftOut: outputs.leftOut,
    }),
    save: () => ({ outputs: outputs.save(), operator: operator.save() }),
    load(saved) {
      const { outputs: savedOutputs, operator: savedOperator } = saved as { outputs: unknown; operator: unknown };
      outputs.load(savedOutputs);
      operator.load(savedOperator);
    },
    reset() {
      outputs.reset();
      operator.reset();
    },
  };
}

function operatorOf(spec: FlowSpec, contract: SeriesContract, outputs: Outputs): Operator {
  switch (spec.kind) {
    case "window":
      return new WindowOperator(spec, contract, outputs);
    case "map":
      return new MapOperator(spec, contract, outputs);
    case "indicators":
      return new IndicatorOperator(spec, contract, outputs);
  }
}

function applyCommit(commit: Commit, spec: FlowSpec, operator: Operator, outputs: Outputs): void {
  const { cause, changes, position } = commit;
  if (cause.kind === "flow" && cause.flow === spec.name) {
    outputs.confirm(cause.through);
    return;
  }
  if (cause.kind === "session") {
    outputs.begin(position);
    operator.sessionEvent(commit);
  }
  let before = 0;
  for (const change of changes) {
    if (change.dataset !== spec.source) continue;
    if (before === 0) outputs.begin(position);
    operator.rows(change, commit, before);
    before += change.batch.count;
  }
  if (before > 0) operator.rowsEnd(commit);
}

/** Changes with the declaration, so that state saved under another one is not taken for this one's. */
function meaningOf(spec: FlowSpec, source: Layout): number {
  const text = JSON.stringify([spec, source]);
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return SAVED_FORM * 2 ** 32 + (hash >>> 0);
}
