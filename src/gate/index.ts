/**
 * Room `gate`: the one way in. Its promise: no row passes unjudged, no row vanishes, one bad row harms no other, and
 * what was not accepted is kept with its reason and can be tried again.
 */
export { type Accounts, createAccounts, type FeedTotals } from "./accounts.ts";
export { createGate, type RunningGate } from "./gate.ts";
export { quarantineIds } from "./quarantine.ts";
export { createSessions, type SessionBatch, type Sessions } from "./sessions.ts";
export type * from "./types.ts";
