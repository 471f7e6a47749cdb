/**
 * The Millpond client for browsers and Node. Its promise: an append that resolves is stored, once; a stream hands on
 * each row once and in order, and says so where it cannot. It uses no Node-only module; `node.ts` is the same over a
 * quicker WebSocket.
 */
export { connect } from "./client.ts";
export { columnsOf } from "./columns.ts";
export type { ClientSocket, OpenSocket, SocketEvents } from "./socket.ts";
export { openGlobalSocket } from "./socket.ts";
export type * from "./types.ts";
