/**
 * Room `contract`: declarations of data. Its promise: one declaration gives the row type, the layout, the validator
 * and the schema, and these can never disagree; a stored contract changes only compatibly or by an explicit plan.
 */
export { forbiddenNames, MOST_FIELDS, MOST_RULES } from "./declaration.ts";
export { compileDecoder, type DecoderLimits, ROW_BYTES, type RowDecoder } from "./decoder.ts";
export { type Comparison, compareContracts, upgradeBatch } from "./evolution.ts";
export * from "./fields.ts";
export {
  type ContractJson,
  contractFingerprint,
  contractFromJson,
  contractSchema,
  contractText,
  contractToJson,
  type FieldJson,
} from "./json.ts";
export { type JsonLimits, type JsonRows, parseJsonRows, type UnreadableRow } from "./json-rows.ts";
export { type Direction, fieldSchema, jsonSchema } from "./schema.ts";
export {
  type FeedPolicyDeclaration,
  feedPolicy,
  type RuleOptions,
  rule,
  type SeriesDeclaration,
  type Span,
  series,
} from "./series.ts";
export * from "./system.ts";
export type * from "./types.ts";
export type { Decoded, RefusedRow } from "./verdicts.ts";
