/**
 * Room `serve`: the doors for programs: HTTP with OpenAPI, WebSocket, server-sent events, metrics. Its promise: every
 * door signs in, checks and answers alike, says a typed error with a status, and never sends what it did not encode.
 */
export { formatMetrics } from "./metrics.ts";
export { createServer, type Server, type ServerOptions } from "./server.ts";
export type { StreamLimits } from "./stream/connection.ts";
export type * from "./types.ts";
