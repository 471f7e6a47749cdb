/**
 * Room `batch`: rows as columns. Its promise: a batch is immutable, equal batches have equal bytes, and any bytes
 * from outside are either a well-formed batch or `batch_malformed`, never something in between.
 */
export * from "./build.ts";
export * from "./codec.ts";
export * from "./hash.ts";
export * from "./rows.ts";
export * from "./types.ts";
