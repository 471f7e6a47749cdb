/**
 * Room `subscribe`: pushed rows. Its promise: every subscriber gets each commit its filter lets by once, in order, or
 * is told in a typed frame what it did not get and why; a slow one harms neither memory nor the others.
 */
export { createDelivery } from "./delivery.ts";
export { createHub, defaultHubLimits } from "./hub.ts";
export { shapeKey } from "./shape.ts";
export type * from "./types.ts";
export * from "./wire.ts";
export * from "./wire-json.ts";
