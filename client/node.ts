/**
 * The client for Node: the same as `index.ts`, over the `ws` library, which is quicker than the built-in WebSocket.
 * What is sent in one turn of the event loop leaves in one system call.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import { type Client, type ClientOptions, connect as connectWith } from "./index.ts";
import type { OpenSocket } from "./socket.ts";

export * from "./index.ts";

export const openNodeSocket: OpenSocket = (url, protocol, events) => {
  let tcp: Socket | undefined;
  let corked = false;
  const createConnection = (options: object): Socket => {
    tcp = url.startsWith("wss:")
      ? connectTls(options)
      : connectTcp(options as Parameters<typeof connectTcp>[0] & object);
    tcp.setNoDelay(true);
    return tcp;
  };
  const socket = new WebSocket(url, protocol, { perMessageDeflate: false, maxPayload: 0, createConnection });
  const uncork = (): void => {
    corked = false;
    tcp?.uncork();
  };
  const gather = (): void => {
    if (corked || tcp === undefined) return;
    corked = true;
    tcp.cork();
    process.nextTick(uncork);
  };
  socket.on("open", () => events.open());
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (isBinary) events.bytes(data);
    else events.text(data.toString());
  });
  socket.on("error", () => {});
  socket.on("close", (code, reason) => events.closed(code, reason.toString()));
  return {
    sendText(text) {
      gather();
      socket.send(text);
    },
    sendBytes(bytes) {
      gather();
      socket.send(bytes);
    },
    close: () => socket.terminate(),
  };
};

/** @throws as `connect` of `index.ts` does */
export function connect(options: ClientOptions): Promise<Client> {
  return connectWith({ openSocket: openNodeSocket, ...options });
}
