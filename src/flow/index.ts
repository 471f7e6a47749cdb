/**
 * Room `flow`: derived data. Its promise: the same log gives the same derived rows; a late row reopens its window and
 * says so in a correction; every derived row names the source rows it came from.
 */
export { flow, type WindowDeclaration } from "./declare.ts";
export {
  atr,
  bollinger,
  ema,
  type IndicatorDeclaration,
  type IndicatorOptions,
  indicators,
  macd,
  type PeriodOptions,
  rsi,
  sma,
} from "./declare-indicators.ts";
export type { IntoOptions } from "./derived-contract.ts";
export { outputsOf } from "./indicator-steps.ts";
export {
  describeFlow,
  type FieldLineage,
  type FlowLineage,
  flowLineage,
  type SourceRange,
  sourceRange,
} from "./lineage.ts";
export { createFlow, type FlowSetting } from "./running-flow.ts";
export type * from "./types.ts";
