/**
 * One socket, from its first byte to its close: hello within its limits, then messages of its session, heartbeats both
 * ways, silence noticed. States: `new` (only a hello is read) → `joining` (nothing is read) → `open` → `closed`.
 */
import type { Socket } from "node:net";
import { type RawData, WebSocket } from "ws";
import { asMillpondError, type Environment, fail, type MillpondError } from "../../base/index.ts";
import { CLOSED_NORMALLY, closeCodeOf, UNSUPPORTED_DATA } from "./close-codes.ts";
import { type Hello, PROTOCOL_VERSION, parseMessage, type ServerMessage, type TerminalMessage } from "./messages.ts";
import type { BridgeLimits } from "./options.ts";
import type { BridgeSession, TerminalLink } from "./session.ts";

/** A terminal that does not read its acks is cut off when so much waits to be sent. */
const UNSENT_BYTES = 4_194_304;
/** What a close handshake may take before the socket is destroyed. */
const CLOSE_MS = 1_000;

const helloTooLarge = (): MillpondError => fail("bridge_message_malformed", { problem: "hello is too large" });

export interface ConnectionContext {
  readonly environment: Environment;
  readonly limits: BridgeLimits;
  /** Finds or makes the session and attaches the link to it. @throws refusals */
  readonly join: (hello: Hello, link: TerminalLink) => Promise<{ session: BridgeSession; lastBatch: number }>;
  readonly closed: (connection: Connection) => void;
}

export class Connection implements TerminalLink {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #context: ConnectionContext;
  #state: "new" | "joining" | "open" | "closed" = "new";
  #session: BridgeSession | undefined;
  #held = false;
  #draining = false;
  #heardMs = 0;
  #cancelTimer: () => void;
  #cancelClose: (() => void) | undefined;

  constructor(webSocket: WebSocket, socket: Socket, context: ConnectionContext) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#context = context;
    const { limits, environment } = context;
    const bytesBefore = socket.bytesRead;
    // Counted on the raw socket: `ws` would otherwise collect a whole message of the larger limit first.
    const onData = (): void => {
      if (this.#state !== "new") socket.off("data", onData);
      else if (socket.bytesRead - bytesBefore > limits.helloBytes) this.fail(helloTooLarge());
    };
    socket.on("data", onData);
    this.#cancelTimer = environment.timers.after(limits.helloMs, () =>
      this.fail(fail("bridge_hello_late", { limitMs: limits.helloMs })),
    );
    webSocket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    webSocket.on("error", () => {}); // Always followed by `close`, which says the rest.
    webSocket.on("close", () => this.#onClose());
  }

  send(message: ServerMessage): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    if (this.#webSocket.bufferedAmount > UNSENT_BYTES) this.#webSocket.terminate();
    else this.#webSocket.send(JSON.stringify(message));
  }
  fail(error: MillpondError): void {
    if (this.#state === "closed") return;
    const { code, message, spec } = error;
    this.#context.environment.logger.log(spec.level, "bridge.closed", { code });
    this.send({ type: "error", code, message, retryable: spec.retryable });
    this.#close(closeCodeOf(code), code);
  }
  end(): void {
    this.#close(CLOSED_NORMALLY, "");
  }
  hold(held: boolean): void {
    if (held === this.#held || this.#draining || this.#state === "closed") return;
    this.#held = held;
    if (held) this.#webSocket.pause();
    else {
      this.#heardMs = this.#context.environment.clock.monotonicMs();
      this.#webSocket.resume();
    }
  }

  /** Takes nothing more, for good; acks still go out. What arrives is dropped: the terminal has it. */
  drain(): void {
    this.hold(true);
    this.#draining = true;
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#draining || this.#state === "closed" || this.#state === "joining") return;
    if (isBinary) {
      this.send({ type: "error", ...fail("bridge_message_malformed", { problem: "binary frames" }).toJSON() });
      this.#close(UNSUPPORTED_DATA, "bridge_message_malformed");
      return;
    }
    this.#heardMs = this.#context.environment.clock.monotonicMs();
    try {
      const bytes = data as Buffer;
      if (this.#state === "new" && bytes.length > this.#context.limits.helloBytes) throw helloTooLarge();
      const message = parseMessage(bytes.toString());
      if (this.#state === "new") this.#greet(message);
      else this.#handle(this.#session!, message);
    } catch (error) {
      this.fail(asMillpondError(error));
    }
  }

  #greet(message: TerminalMessage): void {
    if (message.type !== "hello") {
      const problem = "the first message must be hello";
      throw fail("bridge_message_unexpected", { type: message.type, problem });
    }
    if (message.protocol !== PROTOCOL_VERSION)
      throw fail("bridge_protocol_unknown", { version: message.protocol, known: String(PROTOCOL_VERSION) });
    this.#state = "joining";
    this.#cancelTimer();
    this.#webSocket.pause();
    this.#join(message).catch((error: unknown) => this.fail(asMillpondError(error)));
  }
  async #join(hello: Hello): Promise<void> {
    const { limits, join } = this.#context;
    const { session, lastBatch } = await join(hello, this);
    if (this.#webSocket.readyState !== WebSocket.OPEN) return session.detach(this);
    this.#session = session;
    this.#state = "open";
    this.#heardMs = this.#context.environment.clock.monotonicMs();
    const { heartbeatMs, silentMs, ticksPerBatch, messageBytes, batchesInFlight } = limits;
    this.send({
      type: "welcome",
      protocol: PROTOCOL_VERSION,
      feed: session.feed.name,
      session: session.id,
      lastBatch,
      heartbeatMs,
      silentMs,
      limits: { ticksPerBatch, messageBytes, batchesInFlight },
    });
    this.#webSocket.resume();
    this.#beat();
  }

  #handle(session: BridgeSession, message: TerminalMessage): void {
    switch (message.type) {
      case "ticks": {
        const error = session.ticks(message);
        if (error) throw error;
        return;
      }
      case "heartbeat":
        session.heartbeat(message);
        return;
      case "symbols":
        session.symbols(message.symbols);
        return;
      case "broker":
        session.broker(message.connected);
        return;
      case "goodbye":
        session.goodbye(message).catch((error: unknown) => this.fail(asMillpondError(error)));
        return;
      case "hello":
        throw fail("bridge_message_unexpected", { type: "hello", problem: "the session is open already" });
    }
  }

  /** Runs every heartbeat: says that we are here, and looks whether the terminal is. */
  #beat(): void {
    if (this.#state !== "open") return;
    const { environment, limits } = this.#context;
    const { clock, timers } = environment;
    const silentMs = clock.monotonicMs() - this.#heardMs;
    // A socket that we do not read cannot be blamed for silence.
    if (!this.#held && silentMs >= limits.silentMs) {
      this.fail(fail("bridge_silent", { silentMs: Math.round(silentMs) }));
      return;
    }
    if (!this.#held && silentMs >= limits.silentMs / 2) this.#session!.stale();
    this.send({ type: "heartbeat", time: Math.floor(clock.now() / 1000), lastBatch: this.#session!.lastDurable });
    this.#cancelTimer = timers.after(limits.heartbeatMs, () => this.#beat());
  }

  #close(code: number, reason: string): void {
    if (this.#state === "closed") return;
    this.#leave();
    this.#webSocket.close(code, reason);
    // A paused or vanished peer would never answer the close.
    this.#webSocket.resume();
    this.#cancelClose = this.#context.environment.timers.after(CLOSE_MS, () => this.#webSocket.terminate());
  }
  #leave(): void {
    this.#state = "closed";
    this.#cancelTimer();
    this.#session?.detach(this);
    this.#session = undefined;
  }
  #onClose(): void {
    if (this.#state !== "closed") this.#leave();
    this.#cancelClose?.();
    this.#socket.destroy();
    this.#context.closed(this);
  }
}
