/**
 * Room `view`: projections of the log. Its promise: every view reaches the head again from wherever it stands, no
 * commit takes effect twice or not at all, and `verify` can show that a view equals the log.
 */
export * from "./folds.ts";
export * from "./latest.ts";
export * from "./runner.ts";
export type * from "./types.ts";
export * from "./verify.ts";
