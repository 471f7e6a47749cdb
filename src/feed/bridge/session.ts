/**
 * One session of one terminal: it outlives connections. The gate knows its durable batches; here lies only what makes
 * a resumption smooth and a status honest: who sends, the zone, what waits, when the last tick came.
 */
import { asMillpondError, type Environment, fail, type Instant, type MillpondError } from "../../base/index.ts";
import type { Admission, Gate } from "../../gate/index.ts";
import { Rate } from "../rate.ts";
import type { FeedEvent, FeedState, SessionStatus } from "../types.ts";
import type { Zone } from "../zone.ts";
import type { Goodbye, Heartbeat, Hello, ServerMessage, TerminalSymbol, TicksMessage } from "./messages.ts";
import type { BridgeFeed, BridgeLimits } from "./options.ts";
import { rejectionsOf } from "./rejections.ts";
import { Submitter } from "./submitter.ts";

/** What a session needs of the connection it is attached to. */
export interface TerminalLink {
  send(message: ServerMessage): void;
  /** Says the error and closes with its code. */
  fail(error: MillpondError): void;
  /** Closes normally. */
  end(): void;
  /** Stops or goes on reading the socket. */
  hold(held: boolean): void;
}

export interface SessionContext {
  readonly gate: Gate;
  readonly environment: Environment;
  readonly limits: BridgeLimits;
  readonly emit: (event: FeedEvent) => void;
  /** Called once the session is recorded as ended. */
  readonly ended: (session: BridgeSession) => void;
}

export class BridgeSession {
  readonly feed: BridgeFeed;
  readonly id: string;
  readonly #context: SessionContext;
  readonly #submitter: Submitter;
  readonly #rate: Rate;
  #hello: Hello;
  #zone: Zone;
  #actor = "";
  #link: TerminalLink | undefined;
  #claim = 0;
  #opened = false;
  #state: FeedState = "connecting";
  #since: Instant;
  #lastError: string | null = null;
  #lastBatchAt: Instant | null = null;
  #batchesDurable = 0;
  #brokerConnected = true;
  #quietSinceMs: number;
  #idleTold = false;
  #cancelAbandon: (() => void) | undefined;

  constructor(feed: BridgeFeed, hello: Hello, zone: Zone, context: SessionContext) {
    const { clock } = context.environment;
    this.feed = feed;
    this.id = hello.session;
    this.#hello = hello;
    this.#zone = zone;
    this.#context = context;
    this.#since = clock.now();
    this.#quietSinceMs = clock.monotonicMs();
    this.#rate = new Rate(clock.monotonicMs());
    this.#submitter = new Submitter(context.gate, feed, this.id, context.limits.batchesInFlight, {
      durable: (batch, admission) => this.#durable(batch, admission),
      rewind: (batch, expected, error, failures) => this.#rewind(batch, expected, error, failures),
      refused: (error) => this.#refused(error),
      waiting: (rows) => this.#link?.hold(rows > context.limits.waitingRows),
    });
  }

  get terminalId(): string {
    return this.#hello.terminal.id;
  }
  get attached(): boolean {
    return this.#link !== undefined;
  }

  /**
   * Takes the session over for a connection: the one before is cut, what it submitted settles first, so that the
   * answer names the last batch that will ever be durable from it. Undefined when yet another connection was faster.
   */
  async attach(link: TerminalLink, hello: Hello, zone: Zone, actor: string): Promise<number | undefined> {
    const claim = ++this.#claim;
    this.#cancelAbandon?.();
    const before = this.#link;
    if (before) {
      this.#link = undefined;
      this.#emit("replaced");
      before.fail(fail("bridge_session_replaced"));
    }
    await this.#submitter.settled();
    if (claim !== this.#claim) return undefined;
    const lastBatch = this.#submitter.resume();
    if (lastBatch === 0 && !this.#opened) await this.#context.gate.session(this.feed.name, this.id, "opened");
    if (claim !== this.#claim) return undefined;
    const resumed = this.#opened || lastBatch > 0;
    this.#opened = true;
    this.#hello = hello;
    this.#zone = zone;
    this.#actor = actor;
    this.#link = link;
    this.#brokerConnected = true;
    this.#quietSinceMs = this.#context.environment.clock.monotonicMs();
    this.#enter("live");
    this.#emit(resumed ? "resumed" : "connected");
    return lastBatch;
  }

  /** The connection is gone. Nothing is lost: what is not durable comes again. */
  detach(link: TerminalLink): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#enter("disconnected");
    this.#emit("disconnected", this.#lastError ?? undefined);
    const { environment, limits } = this.#context;
    this.#cancelAbandon = environment.timers.after(limits.abandonAfterMs, () => void this.abandon());
  }
  /** Records the session as ended where its terminal did not come back, so that no window waits for it. */
  async abandon(): Promise<void> {
    if (this.attached) return;
    this.#cancelAbandon?.();
    const claim = this.#claim;
    await this.#submitter.settled();
    if (claim === this.#claim) await this.#end(undefined);
  }
  /** Forgets the session without recording an end: it may go on with another server. */
  async release(): Promise<void> {
    this.#cancelAbandon?.();
    await this.#submitter.settled();
  }

  ticks(message: TicksMessage): MillpondError | null {
    const { limits, environment } = this.#context;
    const rows = message.ticks.length;
    if (rows > limits.ticksPerBatch) return fail("batch_too_large", { rows, limit: limits.ticksPerBatch });
    this.#rate.add(rows);
    this.#quietSinceMs = environment.clock.monotonicMs();
    this.#idleTold = false;
    return this.#submitter.take(message, this.#actor, this.#zone);
  }
  heartbeat({ time, batch }: Heartbeat): void {
    const { gate, environment, limits } = this.#context;
    const nowMs = environment.clock.monotonicMs();
    if (this.#state === "stale" && this.#brokerConnected) this.#enter("live");
    // Only a terminal that has its broker, and of which everything sent is durable, can promise anything about time.
    if (time === null || !this.#brokerConnected || !this.#submitter.idle) return;
    if (batch !== this.#submitter.lastDurable) return;
    if (nowMs - this.#quietSinceMs < (this.#idleTold ? limits.idleRepeatMs : limits.idleAfterMs)) return;
    if (!this.#idleTold) this.#emit("idle");
    this.#idleTold = true;
    this.#quietSinceMs = nowMs;
    gate.session(this.feed.name, this.id, "idle", this.#zone.toInstant(time * 1000)).catch(this.#note);
  }
  symbols(symbols: readonly TerminalSymbol[]): void {
    this.#hello = { ...this.#hello, symbols: [...symbols] };
  }
  broker(connected: boolean): void {
    if (connected === this.#brokerConnected) return;
    this.#brokerConnected = connected;
    this.#lastError = connected ? null : "feed_broker_lost";
    this.#enter(connected ? "live" : "stale");
    this.#emit(connected ? "broker_back" : "broker_lost", this.#lastError ?? undefined);
  }
  async goodbye({ batch, time }: Goodbye): Promise<void> {
    const link = this.#link;
    await this.#submitter.settled();
    if (!link || this.#link !== link) return;
    const { lastDurable } = this.#submitter;
    if (batch > lastDurable) {
      const problem = `batch ${batch} is not durable, the last one is ${lastDurable}`;
      return link.fail(fail("bridge_message_unexpected", { type: "goodbye", problem }));
    }
    this.#link = undefined;
    await this.#end(time === null ? undefined : this.#zone.toInstant(time * 1000));
    link.send({ type: "goodbye", lastBatch: lastDurable });
    link.end();
  }
  stale(): void {
    if (this.#state !== "live") return;
    this.#enter("stale");
    this.#emit("stale", "bridge_silent");
  }

  status(): SessionStatus & { readonly lastBatchAt: Instant | null; readonly batchesDurable: number } {
    const { terminal, symbols } = this.#hello;
    return {
      session: this.id,
      state: this.#state,
      since: this.#since,
      source: {
        id: terminal.id,
        name: terminal.name,
        simulated: terminal.simulated,
        timeZone: this.#zone.name,
        symbols: symbols.map(({ name }) => name),
      },
      lastBatch: this.#submitter.lastDurable,
      waitingRows: this.#submitter.waitingRows,
      rowsReceived: this.#rate.count,
      ticksPerSecond: this.#rate.perSecond(this.#context.environment.clock.monotonicMs()),
      lastError: this.#lastError,
      lastBatchAt: this.#lastBatchAt,
      batchesDurable: this.#batchesDurable,
    };
  }
  get lastDurable(): number {
    return this.#submitter.lastDurable;
  }

  #durable(batch: number, admission: Admission): void {
    this.#lastBatchAt = this.#context.environment.clock.now();
    if (!admission.repeated) this.#batchesDurable += 1;
    if (this.#brokerConnected) this.#lastError = null;
    const rejections = rejectionsOf(admission);
    this.#link?.send({
      type: "ack",
      batch,
      position: admission.receipt.position,
      account: admission.account,
      ...(admission.repeated ? { repeated: true } : {}),
      ...(rejections ? { rejections } : {}),
    });
  }
  #rewind(batch: number, expected: number, error: MillpondError, failures: number): void {
    this.#lastError = error.code;
    const { code, message } = error;
    if (code === "batch_out_of_order") {
      this.#link?.send({ type: "nack", batch, expected, code, message });
      return;
    }
    // Doubling with jitter, so that many terminals do not come back in step.
    const jitter = 0.75 + this.#context.environment.random.next() / 2;
    const pauseMs = Math.round(Math.min(5_000, 100 * 2 ** Math.min(failures, 8)) * jitter);
    this.#context.environment.logger.log(error.spec.level, "bridge.paused", { feed: this.feed.name, batch, code });
    this.#emit("paused", code);
    this.#link?.send({ type: "pause", pauseMs, expected, code, message });
  }
  #refused(error: MillpondError): void {
    this.#lastError = error.code;
    this.#emit("refused", error.code);
    this.#link?.fail(error);
  }
  async #end(watermark: Instant | undefined): Promise<void> {
    // A terminal that comes back while this is being recorded opens the session again, behind it.
    this.#opened = false;
    try {
      await this.#context.gate.session(this.feed.name, this.id, "ended", watermark);
      if (!this.attached) this.#enter("stopped");
      this.#emit("ended");
    } catch (error) {
      this.#note(error);
    }
    this.#context.ended(this);
  }

  #note = (error: unknown): void => {
    const { code } = asMillpondError(error);
    this.#lastError = code;
    this.#context.environment.logger.log("warn", "bridge.session", { feed: this.feed.name, session: this.id, code });
  };
  #enter(state: FeedState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = this.#context.environment.clock.now();
  }
  #emit(kind: FeedEvent["kind"], code?: string): void {
    const at = this.#context.environment.clock.now();
    this.#context.emit({ kind, feed: this.feed.name, session: this.id, at, ...(code ? { code } : {}) });
  }
}
