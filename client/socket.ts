/** The one thing that differs between browsers and Node: how a WebSocket is opened. */
export interface SocketEvents {
  open(): void;
  text(text: string): void;
  bytes(bytes: Uint8Array): void;
  /** Once, also where opening failed. */
  closed(code: number, reason: string): void;
}

export interface ClientSocket {
  sendText(text: string): void;
  sendBytes(bytes: Uint8Array): void;
  close(): void;
}

export type OpenSocket = (url: string, protocol: string, events: SocketEvents) => ClientSocket;

/** The WebSocket of browsers, which Node has too. */
export const openGlobalSocket: OpenSocket = (url, protocol, events) => {
  const socket = new WebSocket(url, protocol);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => events.open();
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (typeof data === "string") events.text(data);
    else events.bytes(new Uint8Array(data));
  };
  socket.onclose = ({ code, reason }) => events.closed(code, reason);
  return {
    sendText: (text) => socket.send(text),
    sendBytes: (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>),
    close: () => socket.close(1000),
  };
};
