/**
 * Room `query`: questions over views. Its promise: a plan is checked whole before it runs, every value is bound,
 * every identifier is declared, pages neither overlap nor skip, and the answer says how fresh it is.
 */
export { type CompiledPlan, compilePlan } from "./compile.ts";
export { type Cursor, planHash, readCursor, writeCursor } from "./cursor.ts";
export { checkPlan } from "./plan-shape.ts";
export * from "./query.ts";
export { readPlan } from "./read-plan.ts";
export type * from "./types.ts";
