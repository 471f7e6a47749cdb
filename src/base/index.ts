/**
 * Room `base`: what every other room stands on and what never depends on another room. Clock, chance, ids, timers,
 * errors, exact decimals, bytes and structured concurrency, all passed in as values.
 */
export * from "./bytes.ts";
export * from "./clock.ts";
export * from "./decimal.ts";
export * from "./duration.ts";
export * from "./environment.ts";
export type { ErrorFamily, ErrorSpec } from "./error-table.ts";
export * from "./errors.ts";
export * from "./histogram.ts";
export * from "./identifiers.ts";
export * from "./logger.ts";
export * from "./random.ts";
export * from "./scope.ts";
export * from "./timers.ts";
