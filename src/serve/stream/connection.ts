/**
 * One connection of the stream protocol. What must hold: nothing is done before the sign-in; every request gets one
 * answer with its id; what one message gets wrong is said and harms no other; memory per connection is bounded.
 */
import type { WebSocket } from "ws";
import { asMillpondError, type Environment, fail, isErrorCode, type MillpondError } from "../../base/index.ts";
import type { Admission } from "../../gate/index.ts";
import {
  type Delivery,
  decodeMessage,
  type Encoding,
  type Hub,
  MessageKind,
  PROTOCOL,
  type Sink,
  type Subscription,
  type SubscriptionRequest,
  shapeKey,
} from "../../subscribe/index.ts";
import { type Access, readScope, requireScope } from "../access.ts";
import { contractOf, readCondition, writableContractOf } from "../conditions.ts";
import type { PoolDoor, Principal } from "../types.ts";
import { Appends, incomingOf, receiptParts, receiptText } from "./appends.ts";
import { columnsEncoding, jsonEncoding } from "./encodings.ts";
import { binaryMessages, textMessages } from "./framing.ts";
import { latestText } from "./latest.ts";
import { type Append, type ClientMessage, type Hello, idOf, readMessage, type Subscribe } from "./messages.ts";
import type { Outlet } from "./outlet.ts";
import { Reading } from "./reading.ts";

export interface StreamLimits {
  /** Largest message of a signed-in connection; default 4 MiB. */
  readonly messageBytes: number;
  /** Bytes a connection may send before it is signed in; default 16 KiB. */
  readonly helloBytes: number;
  /** Until then it must be signed in; default 5,000. */
  readonly helloMs: number;
  readonly subscriptions: number;
  readonly connections: number;
  /** Appends of one connection that wait for the log. */
  readonly appends: number;
  readonly heartbeatMs: number;
}

export const defaultStreamLimits: StreamLimits = {
  messageBytes: 4 * 1024 * 1024,
  helloBytes: 16 * 1024,
  helloMs: 5_000,
  subscriptions: 256,
  connections: 2_048,
  appends: 256,
  heartbeatMs: 15_000,
};

export interface ConnectionContext {
  readonly door: PoolDoor;
  readonly hub: Hub;
  readonly access: Access;
  readonly environment: Environment;
  readonly limits: StreamLimits;
  readonly feed: string;
}

interface Held {
  readonly subscription: Subscription;
  readonly key: string;
  readonly variant: number;
}

export class Connection implements Sink {
  readonly #context: ConnectionContext;
  readonly #socket: WebSocket;
  readonly #outlet: Outlet;
  readonly #reading: Reading;
  readonly #appends: Appends;
  readonly #subscriptions = new Map<number, Held>();
  /** Datasets opened for binary appends; the handle is the place. */
  readonly #handles: string[] = [];
  #principal: Principal | undefined;
  #encoding: Encoding<Buffer> | undefined;
  #session = "";
  #draining = false;
  /** Heard of since the last heartbeat. */
  #alive = true;
  #stopHello: (() => void) | undefined;

  constructor(context: ConnectionContext, socket: WebSocket, outlet: Outlet, principal: Principal | undefined) {
    this.#context = context;
    this.#socket = socket;
    this.#outlet = outlet;
    this.#principal = principal;
    this.#reading = new Reading(socket, outlet);
    this.#appends = new Appends({
      door: context.door,
      feed: context.feed,
      mostWaiting: context.limits.appends,
      pause: (paused) => this.#reading.hold(paused),
      answer: (id, admission) => this.#receipt(id, admission),
      refuse: (id, error) => this.#refuse(id, error),
    });
    const { helloMs } = context.limits;
    this.#stopHello = context.environment.timers.after(helloMs, () => this.#end(4408, "hello_late"));
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#message(data, isBinary));
    socket.on("pong", () => {
      this.#alive = true;
    });
    // The library has put the answer on the socket already.
    socket.on("ping", () => this.#reading.answered());
    socket.on("error", (error: Error & { code?: string }) => {
      context.environment.logger.log("info", "stream connection failed", { code: error.code ?? "unknown" });
    });
    socket.on("close", () => this.#closed());
  }
  get signedIn(): boolean {
    return this.#encoding !== undefined;
  }

  send(delivery: Delivery): void {
    this.#outlet.write(delivery.encoded(this.#encoding ?? jsonEncoding));
    const last = delivery.frames.at(-1);
    if (last?.kind === "cut") this.#forget(delivery.channel);
  }
  bufferedBytes(): number {
    return this.#outlet.bufferedBytes();
  }
  onceDrained(callback: () => void): void {
    this.#outlet.onceDrained(callback);
  }

  /** Answers what is under way, then says goodbye. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#appends.settled();
    this.#end(1001, "shutdown");
  }
  terminate(): void {
    this.#socket.terminate();
  }
  /** Ends what was silent since the last beat; whom we do not read because of the log cannot be blamed for silence. */
  beat(): void {
    if (!this.#alive && !this.#appends.paused) this.terminate();
    this.#alive = false;
  }

  #message(data: Buffer, isBinary: boolean): void {
    this.#alive = true;
    // What comes now has no answer; a client sends it again on its next connection.
    if (this.#draining) return;
    let id = 0;
    try {
      if (isBinary) {
        const message = decodeMessage(data);
        id = message.id;
        this.#binary(message);
        return;
      }
      const end = data.indexOf(10);
      const line = end < 0 ? data.toString() : data.toString("utf8", 0, end);
      id = idOf(line);
      this.#text(readMessage(line), end < 0 ? "" : data.toString("utf8", end + 1));
    } catch (error) {
      this.#refuse(id, asMillpondError(error));
      if (!this.signedIn) this.#end(4401, "sign_in_required");
    }
  }

  #binary(message: ReturnType<typeof decodeMessage>): void {
    const principal = this.#signedIn("append");
    if (message.kind !== MessageKind.append)
      throw fail("frame_malformed", { problem: "only appends travel as binary" });
    const dataset = this.#handles[message.handle];
    if (dataset === undefined) throw fail("stream_unready", { type: "append", problem: "open the dataset first" });
    requireScope(principal, "write");
    writableContractOf(this.#context.door.contracts, dataset);
    this.#appends.submit(principal, this.#session, message.id, dataset, message.position, incomingOf(message));
  }

  #text(message: ClientMessage, rest: string): void {
    if (message.type === "hello") {
      this.#hello(message);
      return;
    }
    const principal = this.#signedIn(message.type);
    switch (message.type) {
      case "subscribe":
        this.#subscribe(principal, message);
        break;
      case "unsubscribe":
        this.#unsubscribe(message.id);
        break;
      case "latest":
        requireScope(principal, readScope(message.dataset));
        this.#say(latestText(this.#context.door, message));
        break;
      case "append":
        this.#append(principal, message, rest);
        break;
      case "open":
        this.#open(message.id, message.dataset);
        break;
      case "ping":
        this.#say(`{"type":"pong","id":${message.id},"position":${this.#context.hub.head}}`);
    }
  }
  #append(principal: Principal, { id, dataset, batch }: Append, text: string): void {
    requireScope(principal, "write");
    writableContractOf(this.#context.door.contracts, dataset);
    this.#appends.submit(principal, this.#session, id, dataset, batch, { kind: "json", text });
  }

  #signedIn(type: string): Principal {
    if (this.#principal !== undefined && this.signedIn) return this.#principal;
    throw fail("stream_unready", { type, problem: "say hello first" });
  }

  #hello(hello: Hello): void {
    if (this.signedIn) throw fail("stream_unready", { type: "hello", problem: "it was said already" });
    const { access, door, hub, feed, limits, environment } = this.#context;
    this.#principal ??= access.byToken(hello.token ?? "");
    this.#stopHello?.();
    this.#stopHello = undefined;
    const encoding = hello.encoding ?? "json";
    this.#encoding = encoding === "json" ? jsonEncoding : columnsEncoding;
    // A session belongs to who opened it: no other principal can go on with its numbers.
    this.#session = `${this.#principal.id}/${hello.session ?? environment.newId()}`;
    this.#sayJson({
      type: "welcome",
      protocol: PROTOCOL,
      encoding,
      pool: door.name,
      principal: this.#principal.id,
      scopes: this.#principal.scopes,
      position: hub.head,
      lastBatch: door.lastBatch(feed, this.#session),
      heartbeatMs: limits.heartbeatMs,
      limits: { messageBytes: limits.messageBytes, subscriptions: limits.subscriptions, appends: limits.appends },
    });
  }

  #subscribe(principal: Principal, message: Subscribe): void {
    requireScope(principal, readScope(message.dataset));
    const { limits, door, hub } = this.#context;
    if (this.#subscriptions.size >= limits.subscriptions)
      throw fail("subscription_limit", { limit: limits.subscriptions });
    if (this.#subscriptions.has(message.id)) {
      throw fail("stream_unready", { type: "subscribe", problem: "this id is in use" });
    }
    const { contract } = contractOf(door.contracts, message.dataset);
    const where = readCondition(message.where, contract);
    const request: SubscriptionRequest = {
      dataset: message.dataset,
      from: message.from ?? "now",
      conflate: message.conflate === true,
      provisional: message.provisional === true,
      ...(where && { where }),
      ...(message.fields && { fields: message.fields }),
    };
    const key = shapeKey(request, contract.layout);
    const variant = this.#freeVariant(key);
    const subscription = hub.subscribe(request, this, variant);
    this.#subscriptions.set(message.id, { subscription, key, variant });
    const { channel, position, layout } = subscription;
    this.#sayJson({ type: "subscribed", id: message.id, channel, position, layout });
  }

  /** The smallest number that no other subscription of this shape has here: their frames must differ in channel. */
  #freeVariant(key: string): number {
    const used = new Set<number>();
    for (const held of this.#subscriptions.values()) if (held.key === key) used.add(held.variant);
    let variant = 0;
    while (used.has(variant)) variant += 1;
    return variant;
  }

  #unsubscribe(id: number): void {
    const held = this.#subscriptions.get(id);
    if (held === undefined) throw fail("subscription_unknown", { id });
    this.#subscriptions.delete(id);
    held.subscription.close();
    this.#sayJson({ type: "unsubscribed", id });
  }
  #forget(channel: number): void {
    for (const [id, { subscription }] of this.#subscriptions) {
      if (subscription.channel === channel) this.#subscriptions.delete(id);
    }
  }

  #open(id: number, dataset: string): void {
    const { version, contract } = contractOf(this.#context.door.contracts, dataset);
    let handle = this.#handles.indexOf(dataset);
    if (handle < 0) handle = this.#handles.push(dataset) - 1;
    this.#sayJson({
      type: "opened",
      id,
      handle,
      version,
      layout: contract.layout,
      key: contract.key,
      time: contract.time,
    });
  }

  #receipt(id: number, admission: Admission): void {
    if (this.#encoding === columnsEncoding) this.#write(binaryMessages([receiptParts(id, admission)]));
    else this.#say(receiptText(id, admission));
  }
  #refuse(id: number, error: MillpondError): void {
    const { environment } = this.#context;
    if (error.spec.family === "bug") {
      environment.logger.log("error", "a stream request failed", { code: error.code, cause: String(error.cause) });
    }
    this.#sayJson({ type: "error", id, ...error.toJSON() });
  }
  #say(text: string): void {
    this.#write(textMessages([text]));
  }
  #write(bytes: Buffer): void {
    this.#outlet.write(bytes);
    this.#reading.answered();
  }
  #sayJson(message: object): void {
    this.#say(JSON.stringify(message));
  }

  #end(code: number, reason: string): void {
    this.#outlet.flush();
    this.#socket.close(code, isErrorCode(reason) ? reason : reason.slice(0, 100));
  }
  #closed(): void {
    this.#stopHello?.();
    for (const { subscription } of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
  }
}
