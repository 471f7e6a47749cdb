/**
 * The link to the server: one WebSocket at a time, opened again with growing pauses when it is lost. What must hold:
 * every request is answered or rejected once; requests that only read are sent again on the next connection.
 */
import { type Environment, type ErrorCode, fail, isErrorCode, MillpondError } from "../src/base/index.ts";
import { type BinaryMessage, decodeMessage, MessageKind, PROTOCOL } from "../src/subscribe/index.ts";
import type { ClientSocket, OpenSocket } from "./socket.ts";

export interface TextMessage {
  readonly type: string;
  readonly id?: number;
  readonly channel?: number;
  readonly [more: string]: unknown;
}

/** Called back instead of a promise: an answer and the frames behind it must be seen in their order. */
export interface Pending {
  answer(message: TextMessage | BinaryMessage): void;
  refuse(error: MillpondError): void;
  /** Sent again after a reconnect; requests without it are left to their owner. */
  readonly text?: string;
}

/** Frames of a channel, and what happens to the link. */
export interface LinkListener {
  welcome(): void;
  lost(): void;
  frame(channel: number, message: TextMessage | BinaryMessage): void;
  ended(error: MillpondError): void;
}

export interface LinkOptions {
  readonly url: string;
  readonly token: () => string | Promise<string>;
  readonly encoding: "columns" | "json";
  readonly openSocket: OpenSocket;
  readonly environment: Environment;
  readonly backoffMs: { readonly first: number; readonly last: number };
}

export const isBinary = (message: TextMessage | BinaryMessage): message is BinaryMessage => "kind" in message;

const SIGN_IN_CODES: readonly string[] = ["sign_in_required", "scope_missing"];

export class Link {
  ready = false;
  welcomed: TextMessage | undefined;
  readonly #options: LinkOptions;
  readonly #listener: LinkListener;
  readonly #session: string;
  readonly #pending = new Map<number, Pending>();
  #socket: ClientSocket | undefined;
  #ids = 0;
  #attempts = 0;
  #closed: MillpondError | undefined;
  #heard = false;
  #stopTimer: (() => void) | undefined;
  #abandon: (() => void) | undefined;

  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options;
    this.#listener = listener;
    this.#session = options.environment.newId();
  }
  get closed(): MillpondError | undefined {
    return this.#closed;
  }

  /** A number for a request or subscription. */
  newId(): number {
    this.#ids = this.#ids === 0xffff_ffff ? 1 : this.#ids + 1;
    return this.#ids;
  }
  /** Waits for the answer to an id; the text, if any, is sent now and after a reconnect. */
  request(id: number, pending: Pending): void {
    if (this.#closed !== undefined) {
      pending.refuse(this.#closed);
      return;
    }
    this.#pending.set(id, pending);
    if (pending.text !== undefined && this.ready) this.sendText(pending.text);
  }
  forget(id: number): void {
    this.#pending.delete(id);
  }
  sendText(text: string): void {
    this.#socket?.sendText(text);
  }
  sendBytes(bytes: Uint8Array): void {
    this.#socket?.sendBytes(bytes);
  }

  async open(): Promise<void> {
    let token: string;
    try {
      token = await this.#options.token();
    } catch (error) {
      this.end(fail("sign_in_required", {}, error));
      return;
    }
    if (this.#closed !== undefined) return;
    const url = `${this.#options.url.replace(/^http/, "ws").replace(/\/$/, "")}/v1/stream`;
    const { encoding } = this.#options;
    const hello = JSON.stringify({ type: "hello", protocol: PROTOCOL, encoding, token, session: this.#session });
    let current = true;
    const lost = (reason: string): void => {
      if (!current) return;
      current = false;
      this.#lost(reason);
    };
    this.#abandon = () => lost("");
    const socket = this.#options.openSocket(url, PROTOCOL, {
      open: () => socket.sendText(hello),
      text: (text) => current && this.#guard(() => this.#text(JSON.parse(text) as TextMessage)),
      bytes: (bytes) => current && this.#guard(() => this.#binary(decodeMessage(bytes))),
      closed: (_code, reason) => lost(reason),
    });
    this.#socket = socket;
  }

  /** Drops the connection without waiting for the other side; a new one is opened. */
  drop(): void {
    const socket = this.#socket;
    this.#abandon?.();
    socket?.close();
  }
  end(error: MillpondError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.ready = false;
    this.#stopTimer?.();
    this.drop();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { refuse } of pending) refuse(error);
    this.#listener.ended(error);
  }

  /** A message that cannot be read says that the other side is not what it should be. */
  #guard(read: () => void): void {
    try {
      read();
    } catch (error) {
      if (!(error instanceof MillpondError) && !(error instanceof SyntaxError)) throw error;
      this.drop();
    }
  }

  #text(message: TextMessage): void {
    this.#heard = true;
    switch (message.type) {
      case "welcome":
        this.#welcome(message);
        break;
      case "error":
        this.#error(message);
        break;
      case "rows":
      case "provisional":
      case "gap":
      case "cut":
        this.#listener.frame(message.channel ?? 0, message);
        break;
      default:
        this.#answer(message.id ?? 0, message);
    }
  }
  #binary(message: BinaryMessage): void {
    this.#heard = true;
    if (message.kind === MessageKind.receipt) this.#answer(message.id, message);
    else this.#listener.frame(message.id, message);
  }
  #answer(id: number, message: TextMessage | BinaryMessage): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.answer(message);
  }
  #error(message: TextMessage): void {
    const error = errorOf(message);
    const pending = this.#pending.get(message.id ?? 0);
    this.#pending.delete(message.id ?? 0);
    if (pending !== undefined) pending.refuse(error);
    else if (!this.ready && SIGN_IN_CODES.includes(error.code)) this.end(error);
  }

  #welcome(message: TextMessage): void {
    this.welcomed = message;
    this.ready = true;
    this.#attempts = 0;
    this.#beat(Number(message.heartbeatMs ?? 15_000));
    this.#listener.welcome();
    for (const { text } of this.#pending.values()) if (text !== undefined) this.sendText(text);
  }
  #lost(reason: string): void {
    this.ready = false;
    this.#socket = undefined;
    this.#stopTimer?.();
    if (this.#closed !== undefined) return;
    if (SIGN_IN_CODES.includes(reason)) {
      this.end(fail("sign_in_required"));
      return;
    }
    for (const [id, { text }] of [...this.#pending]) if (text === undefined) this.#pending.delete(id);
    this.#listener.lost();
    const { backoffMs, environment } = this.#options;
    const pause = Math.min(backoffMs.last, backoffMs.first * 2 ** this.#attempts);
    this.#attempts += 1;
    this.#stopTimer = environment.timers.after(pause * (0.5 + environment.random.next() / 2), () => void this.open());
  }

  /** Each side must hear something of the other now and then; a link that fell silent is dropped. */
  #beat(everyMs: number): void {
    const { timers } = this.#options.environment;
    this.#stopTimer = timers.after(everyMs, () => {
      this.#heard = false;
      this.sendText(`{"type":"ping","id":${this.newId()}}`);
      this.#stopTimer = timers.after(everyMs, () => {
        if (this.#heard) this.#beat(everyMs);
        else this.drop();
      });
    });
  }
}

export function errorOf(message: Readonly<Record<string, unknown>>): MillpondError {
  const { code, details } = message;
  const known: ErrorCode = typeof code === "string" && isErrorCode(code) ? code : "internal";
  return fail(known, (details ?? {}) as MillpondError["details"]);
}
