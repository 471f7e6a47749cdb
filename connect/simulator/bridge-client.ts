/**
 * The terminal's side of the bridge protocol (docs/protocol/bridge.md). It numbers batches, keeps each until it is
 * acknowledged, and after any loss of the link goes on from the batch after the last durable one. Its buffer is
 * bounded: when it is full `add` says so, and the source has to wait.
 */
import { WebSocket } from "ws";
import type { Environment } from "../../src/base/index.ts";
import type { Ack, Hello, ServerMessage, TickRow, Welcome } from "../../src/feed/index.ts";

export interface BridgeClientOptions {
  readonly url: string;
  readonly token: string;
  readonly feed?: string;
  readonly terminal: Hello["terminal"];
  readonly symbols: Hello["symbols"];
  readonly serverTimeZone: string;
  readonly environment: Environment;
  /** Broker server time in milliseconds, as if UTC; null while the broker is away. */
  readonly serverTime: () => number | null;
  /** UUID; kept as long as this client can send again what is not acknowledged. */
  readonly session?: string;
  /** Ticks that may wait without an ack; default 50,000. */
  readonly bufferedTicks?: number;
  readonly ticksPerBatch?: number;
  /** First and longest wait before dialling again; default 200 and 10,000. */
  readonly backoffMs?: { readonly first: number; readonly longest: number };
  readonly onAck?: (ack: Ack) => void;
  readonly onState?: (state: ClientState, reason?: string) => void;
}

export type ClientState = "dialling" | "open" | "paused" | "waiting" | "ended";

/** After these codes dialling again cannot help until a person changes something. */
const HOPELESS_CLOSES = new Set([4401, 4403, 4404]);

/** The link counts as dead after so many of our heartbeats without a word from the server. */
const MISSED_HEARTBEATS = 4;

interface Pending {
  readonly batch: number;
  readonly ticks: number;
  readonly json: string;
}

export class BridgeClient {
  session: string;
  acknowledgedTicks = 0;
  reconnects = 0;
  readonly #options: BridgeClientOptions;
  #open: TickRow[] = [];
  #pending: Pending[] = [];
  #pendingTicks = 0;
  #nextBatch = 1;
  /** The next batch number to put on the wire. */
  #nextToSend = 1;
  #lastAcked = 0;
  #socket: WebSocket | undefined;
  #welcome: Welcome | undefined;
  #paused: (() => void) | undefined;
  #goodbye: (() => void) | undefined;
  #ended = false;

  constructor(options: BridgeClientOptions) {
    this.#options = options;
    this.session = options.session ?? options.environment.newId();
  }

  /** Ticks not acknowledged yet. */
  get unacknowledged(): number {
    return this.#pendingTicks + this.#open.length;
  }
  get full(): boolean {
    return this.unacknowledged >= (this.#options.bufferedTicks ?? 50_000);
  }
  /** False, and nothing taken, while the buffer is full. */
  add(tick: TickRow): boolean {
    if (this.full) return false;
    this.#open.push(tick);
    if (this.#open.length >= (this.#options.ticksPerBatch ?? 200)) this.flush();
    return true;
  }
  /** Closes the open batch and sends what may be sent. */
  flush(): void {
    if (this.#open.length > 0) {
      const batch = this.#nextBatch++;
      const json = JSON.stringify({ type: "ticks", batch, ticks: this.#open });
      this.#pending.push({ batch, ticks: this.#open.length, json });
      this.#pendingTicks += this.#open.length;
      this.#open = [];
    }
    this.#sendDue();
  }
  /** Tells that the terminal lost its broker, or has it again. */
  broker(connected: boolean): void {
    this.#send({ type: "broker", connected });
  }
  /** For tests and drills: cuts the link without a word. */
  dropLink(): void {
    this.#socket?.terminate();
  }

  /** Keeps the link until the signal aborts; rejects where the server refuses for good. */
  async run(signal: AbortSignal): Promise<void> {
    const { environment, backoffMs = { first: 200, longest: 10_000 }, onState } = this.#options;
    let attempt = 0;
    while (!signal.aborted && !this.#ended) {
      onState?.("dialling");
      const end = await this.#connect(signal);
      if (HOPELESS_CLOSES.has(end.code)) throw new Error(`the bridge refuses this terminal: ${end.reason}`);
      if (signal.aborted || this.#ended) break;
      attempt = end.welcomed ? 0 : attempt + 1;
      const ceiling = Math.min(backoffMs.longest, backoffMs.first * 2 ** Math.min(attempt, 16));
      onState?.("waiting", end.reason);
      this.reconnects += 1;
      await environment.timers.delay(ceiling * (0.5 + environment.random.next() / 2), signal).catch(() => {});
    }
    onState?.("ended");
  }
  /** Sends the rest, waits for its acks and ends the session; resolves when the server agreed. */
  async end(): Promise<void> {
    this.flush();
    const agreed = new Promise<void>((resolve) => {
      this.#goodbye = resolve;
    });
    this.#sayGoodbye();
    await agreed;
  }

  #connect(signal: AbortSignal): Promise<{ code: number; reason: string; welcomed: boolean }> {
    return new Promise((resolve) => {
      const socket = new WebSocket(this.#options.url, { perMessageDeflate: false, maxPayload: 1_048_576 });
      const onAbort = (): void => socket.close(1001);
      signal.addEventListener("abort", onAbort, { once: true });
      let cancelBeat = (): void => {};
      let welcomed = false;
      let unanswered = 0;
      const beat = (): void => {
        if (++unanswered > MISSED_HEARTBEATS) {
          socket.terminate();
          return;
        }
        const time = this.#open.length > 0 ? null : this.#options.serverTime();
        this.#send({ type: "heartbeat", time, batch: this.#nextBatch - 1 });
        cancelBeat = this.#options.environment.timers.after(this.#welcome?.heartbeatMs ?? 2_000, beat);
      };
      socket.on("open", () => socket.send(JSON.stringify(this.#hello())));
      socket.on("message", (data) => {
        unanswered = 0;
        const message = JSON.parse(String(data)) as ServerMessage;
        if (message.type === "welcome") {
          welcomed = true;
          this.#socket = socket;
          this.#onWelcome(message);
          beat();
        } else this.#onMessage(message);
      });
      socket.on("error", () => {}); // `close` follows.
      socket.on("close", (code, reason) => {
        signal.removeEventListener("abort", onAbort);
        cancelBeat();
        this.#paused?.();
        this.#paused = undefined;
        if (this.#socket === socket) this.#socket = undefined;
        resolve({ code, reason: String(reason), welcomed });
      });
    });
  }
  #hello(): Hello {
    const { token, terminal, feed, symbols, serverTimeZone } = this.#options;
    const session = this.session;
    return {
      type: "hello",
      protocol: 1,
      token,
      terminal,
      ...(feed ? { feed } : {}),
      session,
      symbols,
      serverTimeZone,
    };
  }

  #onWelcome(welcome: Welcome): void {
    this.#welcome = welcome;
    this.#options.onState?.("open");
    if (welcome.lastBatch < this.#lastAcked) {
      // The server was restored to an older state: its numbering cannot be continued, but nothing held here is lost.
      this.#renumber();
      this.#socket?.close(1000);
      return;
    }
    this.#forget(welcome.lastBatch);
    this.#nextToSend = welcome.lastBatch + 1;
    this.#sendDue();
    this.#sayGoodbye();
  }
  #renumber(): void {
    this.session = this.#options.environment.newId();
    this.#lastAcked = 0;
    this.#pending = this.#pending.map(({ json, ticks }, place) => {
      const message = { ...(JSON.parse(json) as object), batch: place + 1 };
      return { batch: place + 1, ticks, json: JSON.stringify(message) };
    });
    this.#nextBatch = this.#pending.length + 1;
  }
  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case "ack":
        this.#forget(message.batch);
        this.#options.onAck?.(message);
        this.#sendDue();
        this.#sayGoodbye();
        return;
      case "nack":
        this.#nextToSend = message.expected;
        this.#sendDue();
        return;
      case "pause":
        this.#nextToSend = message.expected;
        this.#paused?.();
        this.#options.onState?.("paused", message.code);
        this.#paused = this.#options.environment.timers.after(message.pauseMs, () => {
          this.#paused = undefined;
          this.#options.onState?.("open");
          this.#sendDue();
        });
        return;
      case "goodbye":
        this.#ended = true;
        this.#goodbye?.();
        return;
    }
  }
  #forget(through: number): void {
    this.#lastAcked = Math.max(this.#lastAcked, through);
    while (this.#pending[0] && this.#pending[0].batch <= through) {
      const { ticks } = this.#pending.shift()!;
      this.#pendingTicks -= ticks;
      this.acknowledgedTicks += ticks;
    }
    this.#nextToSend = Math.max(this.#nextToSend, through + 1);
  }
  #sendDue(): void {
    const socket = this.#socket;
    if (!socket || !this.#welcome || this.#paused || socket.readyState !== WebSocket.OPEN) return;
    const through = this.#lastAcked + this.#welcome.limits.batchesInFlight;
    const first = this.#pending[0]?.batch ?? this.#nextBatch;
    while (this.#nextToSend < this.#nextBatch && this.#nextToSend <= through) {
      socket.send(this.#pending[this.#nextToSend - first]!.json);
      this.#nextToSend += 1;
    }
  }
  #sayGoodbye(): void {
    if (!this.#goodbye || this.unacknowledged > 0) return;
    this.#send({ type: "goodbye", batch: this.#nextBatch - 1, time: this.#options.serverTime() });
  }
  #send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
