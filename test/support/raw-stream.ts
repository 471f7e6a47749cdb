/** The stream protocol spoken by hand, for clients that behave as no SDK would. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import { encodeMessage, MessageKind, PROTOCOL } from "../../src/subscribe/index.ts";
import type { PoolProcess } from "./pool-process.ts";

export interface RawMessage {
  readonly type: string;
  readonly id?: number;
  readonly [more: string]: unknown;
}

export class RawStream {
  readonly socket: WebSocket;
  readonly tcp: Socket;
  /** Text messages, oldest first; frames are only counted while `keep` is off. */
  readonly messages: RawMessage[] = [];
  keep = true;
  binaryFrames = 0;
  /** Of all messages heard. */
  bytes = 0;
  closeCode: number | undefined;
  onMessage: ((message: RawMessage) => void) | undefined;
  #ids = 0;
  readonly #waiting = new Map<number, (message: RawMessage) => void>();
  #wake: (() => void) | undefined;

  private constructor(socket: WebSocket, tcp: Socket) {
    this.socket = socket;
    this.tcp = tcp;
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#hear(data, isBinary));
    socket.on("close", (code) => {
      this.closeCode = code;
      for (const answer of this.#waiting.values()) answer({ type: "closed", code });
      this.#waiting.clear();
      this.#wake?.();
    });
    socket.on("error", () => {});
  }
  /** Connected, not signed in. */
  static async open(url: string): Promise<RawStream> {
    const { port } = new URL(url);
    const tcp = connect({ port: Number(port), host: "127.0.0.1", noDelay: true });
    await once(tcp, "connect");
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/stream`, PROTOCOL, {
      perMessageDeflate: false,
      maxPayload: 0,
      createConnection: () => tcp,
    });
    const stream = new RawStream(socket, tcp);
    await once(socket, "open");
    return stream;
  }
  static async signIn(
    pool: Pick<PoolProcess, "addresses" | "token">,
    more: { readonly encoding?: "json" | "columns"; readonly session?: string } = {},
  ): Promise<RawStream> {
    const stream = await RawStream.open(pool.addresses.url);
    stream.sendJson({ type: "hello", protocol: PROTOCOL, token: pool.token, ...more });
    await stream.until((message) => message.type === "welcome");
    return stream;
  }

  sendJson(message: object): void {
    this.socket.send(JSON.stringify(message));
  }
  nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }
  /** Sends a request and gives the answer with its id; `closed` where the connection ended first. */
  ask(message: object, behind = ""): Promise<RawMessage> {
    const id = this.nextId();
    if (this.closeCode !== undefined) return Promise.resolve({ type: "closed", code: this.closeCode });
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ ...message, id }) + behind);
    });
  }
  append(batch: number, rows: readonly object[] | string): Promise<RawMessage> {
    const text = typeof rows === "string" ? rows : JSON.stringify(rows);
    return this.ask({ type: "append", dataset: "ticks", batch }, `\n${text}`);
  }
  /** Needs `open` of one dataset before, and the encoding `json`. */
  appendColumns(batch: number, columns: Uint8Array): Promise<RawMessage> {
    const id = this.nextId();
    if (this.closeCode !== undefined) return Promise.resolve({ type: "closed", code: this.closeCode });
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.socket.send(encodeMessage({ kind: MessageKind.append, handle: 0, id, position: batch, columns }));
    });
  }
  /** The first message, of those that came and will come, of which something holds. */
  async until(holds: (message: RawMessage) => boolean): Promise<RawMessage> {
    for (;;) {
      const found = this.messages.find(holds);
      if (found !== undefined) return found;
      if (this.closeCode !== undefined) return { type: "closed", code: this.closeCode };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
  /** Takes nothing more off the wire. */
  stall(): void {
    this.tcp.pause();
    this.socket.pause();
  }
  readOn(): void {
    this.socket.resume();
    this.tcp.resume();
  }
  close(): void {
    this.socket.terminate();
  }

  #hear(data: Buffer, isBinary: boolean): void {
    this.bytes += data.length;
    if (isBinary) {
      this.binaryFrames += 1;
      return;
    }
    const message = JSON.parse(data.toString()) as RawMessage;
    this.onMessage?.(message);
    const isFrame = ["rows", "provisional", "gap", "cut"].includes(message.type);
    if (this.keep || !isFrame) this.messages.push(message);
    const answer = isFrame ? undefined : this.#waiting.get(message.id ?? 0);
    if (answer !== undefined) {
      this.#waiting.delete(message.id ?? 0);
      answer(message);
    }
    this.#wake?.();
  }
}
