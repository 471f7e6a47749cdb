/**
 * The server side of the bridge protocol (docs/protocol/bridge.md): terminals dial in, send numbered batches of ticks
 * and get an ack for each only when it is durable. Its promises: a dropped link or a restarted server neither loses
 * nor repeats a tick; one terminal's flood slows only that terminal; no message of a terminal stops the server.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketServer } from "ws";
import { assert, fail } from "../../base/index.ts";
import type { FeedStatus } from "../types.ts";
import { createZone } from "../zone.ts";
import { Connection } from "./connection.ts";
import type { Hello } from "./messages.ts";
import {
  type BridgeFeed,
  type BridgeLimits,
  type BridgeOptions,
  type BridgePrincipal,
  bridgeLimits,
} from "./options.ts";
import { BridgeSession, type TerminalLink } from "./session.ts";
import { feedStatus } from "./status.ts";

export interface BridgeServer {
  /** Port 0 takes any free one. @returns the address in use. */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ host: string; port: number }>;
  /** 0 until listening. */
  readonly port: number;
  /** One status a declared feed, in the order of declaration. */
  status(): readonly FeedStatus[];
  /** Takes no more batches, waits until those submitted are durable (at most `drainMs`), then closes every socket. */
  close(): Promise<void>;
}

/** Sessions kept for terminals that are away; the gate knows the rest. */
const MOST_SESSIONS = 1_024;

export function createBridgeServer(options: BridgeOptions): BridgeServer {
  return new Bridge(options);
}

class Bridge implements BridgeServer {
  port = 0;
  readonly #options: BridgeOptions;
  readonly #limits: BridgeLimits;
  readonly #feeds: ReadonlyMap<string, BridgeFeed>;
  readonly #sessions = new Map<string, BridgeSession>();
  readonly #connections = new Set<Connection>();
  readonly #http: Server;
  readonly #webSockets: WebSocketServer;
  readonly #startedAt: number;
  #closing = false;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#limits = { ...bridgeLimits, ...options.limits };
    this.#feeds = new Map(options.feeds.map((feed) => [feed.name, feed]));
    this.#startedAt = options.environment.clock.now();
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.#limits.messageBytes,
      maxFragments: this.#limits.messageFragments,
    });
    const { helloMs, connections } = this.#limits;
    const timeouts = { headersTimeout: helloMs, requestTimeout: helloMs, connectionsCheckingInterval: 1_000 };
    this.#http = createServer(timeouts, (_request, response) => {
      response.writeHead(426, { upgrade: "websocket", connection: "upgrade" }).end();
    });
    this.#http.maxConnections = connections * 2;
    this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket as Socket, head));
  }

  async listen({ host, port }: { readonly host: string; readonly port: number }) {
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen({ host, port }, () => {
        this.#http.off("error", reject);
        resolve();
      });
    });
    const address = this.#http.address() as AddressInfo;
    this.port = address.port;
    return { host: address.address, port: address.port };
  }

  status(): readonly FeedStatus[] {
    const all = [...this.#sessions.values()];
    return this.#options.feeds.map((feed) =>
      feedStatus(
        feed.name,
        all.filter((session) => session.feed === feed).map((session) => session.status()),
        this.#closing ? "stopped" : "connecting",
        this.#startedAt,
      ),
    );
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const { timers } = this.#options.environment;
    const stopped = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const connection of this.#connections) connection.drain();
    const drained = Promise.all([...this.#sessions.values()].map((session) => session.release()));
    const expired = new AbortController();
    await Promise.race([drained, timers.delay(this.#limits.drainMs, expired.signal).catch(() => {})]);
    expired.abort();
    for (const connection of this.#connections) connection.fail(fail("bridge_closing"));
    this.#http.closeAllConnections();
    await stopped;
    while (this.#connections.size > 0) await timers.delay(5);
    // Detaching has started their timers; the sessions themselves go on with the next server.
    for (const session of this.#sessions.values()) await session.release();
    this.#sessions.clear();
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Terminals are no browsers: an origin means that some web page tries to reach the bridge through its visitor.
    const refusal = request.headers.origin !== undefined ? "403 Forbidden" : this.#full() ? "503 Busy" : undefined;
    if (refusal !== undefined) {
      socket.on("error", () => {}); // A peer that is gone before it could be refused.
      socket.once("finish", () => socket.destroy()); // Or one that would keep its half open for ever.
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = new Connection(webSocket, socket, {
        environment: this.#options.environment,
        limits: this.#limits,
        join: (hello, link) => this.#join(hello, link),
        closed: (ended) => this.#connections.delete(ended),
      });
      this.#connections.add(connection);
    });
  }
  #full(): boolean {
    return this.#closing || this.#connections.size >= this.#limits.connections;
  }

  async #join(hello: Hello, link: TerminalLink): Promise<{ session: BridgeSession; lastBatch: number }> {
    const principal = await this.#options.authenticate(hello.token);
    if (!principal) throw fail("bridge_unauthorized");
    const feed = this.#feedOf(hello, principal);
    const expected = feed.simulated === true ? "simulated" : "real";
    if (hello.terminal.simulated !== (feed.simulated === true))
      throw fail("bridge_simulated_mismatch", { feed: feed.name, expected });
    const zone = createZone(feed.serverTimeZone ?? hello.serverTimeZone);
    if (this.#closing) throw fail("bridge_closing");
    const session = this.#session(feed, hello, zone);
    const lastBatch = await session.attach(link, hello, zone, principal.name);
    if (lastBatch === undefined) throw fail("bridge_session_replaced");
    this.#supersede(session);
    return { session, lastBatch };
  }

  #feedOf(hello: Hello, principal: BridgePrincipal): BridgeFeed {
    const allowed = this.#options.feeds.filter(({ name }) => principal.feeds?.includes(name) ?? true);
    const name = hello.feed ?? (allowed.length === 1 ? allowed[0]!.name : "");
    const feed = this.#feeds.get(name);
    if (!feed || !allowed.includes(feed)) throw fail("feed_unknown", { feed: name });
    return feed;
  }

  #session(feed: BridgeFeed, hello: Hello, zone: ReturnType<typeof createZone>): BridgeSession {
    const key = keyOf(feed, hello.session);
    const known = this.#sessions.get(key);
    if (known) return known;
    const session = new BridgeSession(feed, hello, zone, {
      gate: this.#options.gate,
      environment: this.#options.environment,
      limits: this.#limits,
      emit: (event) => this.#options.onEvent?.(event),
      ended: (ended) => {
        if (!ended.attached) this.#sessions.delete(keyOf(ended.feed, ended.id));
      },
    });
    this.#sessions.set(key, session);
    this.#evict();
    return session;
  }
  /** A terminal that comes with a new session has given up the one it had. */
  #supersede(current: BridgeSession): void {
    for (const session of this.#sessions.values()) {
      const same = session.feed === current.feed && session.terminalId === current.terminalId;
      if (same && session !== current && !session.attached) void session.abandon();
    }
  }
  #evict(): void {
    if (this.#sessions.size <= MOST_SESSIONS) return;
    for (const session of this.#sessions.values()) {
      if (session.attached) continue;
      void session.abandon();
      return;
    }
    assert(this.#connections.size >= MOST_SESSIONS, "more sessions than connections");
  }
}

const keyOf = (feed: BridgeFeed, session: string): string => `${feed.name}\n${session}`;
