/**
 * Room `feed`: sources of rows. Its promise: what a source sent and was told to be durable is never lost and never
 * counted twice, whatever link, terminal or server fails; what cannot be read is refused by its place with its raw
 * text kept; a flood slows its own source and nothing else.
 */

export { type BridgeFeedOptions, bridgeFeed } from "./bridge/feed.ts";
export type * from "./bridge/messages.ts";
export {
  type BridgeFeed,
  type BridgeLimits,
  type BridgeOptions,
  type BridgePrincipal,
  bridgeLimits,
} from "./bridge/options.ts";
export { type BridgeServer, createBridgeServer } from "./bridge/server.ts";
export * from "./facts.ts";
export { detectLayout } from "./import/detect.ts";
export { type ImportLimits, importLimits } from "./import/entries.ts";
export * from "./import/layout.ts";
export { importLayout, importLayouts } from "./import/layouts.ts";
export { type ImportBatch, type ImportOptions, type ImportSource, openImport } from "./import/open.ts";
export { type ImportProgress, type ImportReport, type ImportRun, runImport } from "./import/run.ts";
export * from "./row-mapper.ts";
export type * from "./types.ts";
export * from "./zone.ts";
