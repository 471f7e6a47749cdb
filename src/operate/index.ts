/**
 * Room `operate`: keeping a pool running and showing how it does. Its promise: every task has an owner and a place in
 * the snapshot; every path that rows take is a chain with live figures.
 */
export * from "./chains.ts";
export * from "./rates.ts";
export * from "./supervisor.ts";
