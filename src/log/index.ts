/**
 * Room `log`: the truth. Its promise: an appended draft is durable when `append` resolves; positions are dense and
 * follow commit order; `follow` gives every commit exactly once, in order, first from the store and then live; a
 * changed or lost byte is noticed. `createLog` is what rooms use; the rest is for engines that keep a log.
 */
export type * from "./fold.ts";
export * from "./hash.ts";
export * from "./header.ts";
export * from "./log.ts";
export * from "./preconditions.ts";
export type * from "./types.ts";
