/** The server: HTTP, stream and events on one port, and their orderly end. */
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { type Environment, fail } from "../base/index.ts";
import { createHub, type Hub, type HubLimits } from "../subscribe/index.ts";
import { createAccess, type Doorway, isLoopback } from "./access.ts";
import { createApp } from "./http/app.ts";
import { addDatasetRoutes } from "./http/datasets.ts";
import { addEventRoutes } from "./http/events.ts";
import { addHealthRoutes } from "./http/health.ts";
import { addImportRoutes } from "./http/imports.ts";
import { addOperationRoutes } from "./http/operation.ts";
import { addQuarantineRoutes } from "./http/quarantine.ts";
import { addQueryRoutes } from "./http/query.ts";
import type { RouteContext } from "./http/route.ts";
import { addRowRoutes } from "./http/rows.ts";
import { defaultStreamLimits, type StreamLimits } from "./stream/connection.ts";
import { Flusher } from "./stream/outlet.ts";
import { createStreamDoor, type StreamDoor } from "./stream/socket.ts";
import type { Authenticator, Figure, PoolDoor } from "./types.ts";

export interface ServerOptions {
  readonly door: PoolDoor;
  readonly authenticator: Authenticator;
  readonly environment: Environment;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 8000; 0 for any free one. */
  readonly port?: number;
  /** Must be set to listen on an address that other machines can reach. */
  readonly allowPublic?: boolean;
  /** Origins of other sites whose pages may connect. */
  readonly origins?: readonly string[];
  /** Names by which we may be called, where they are not those of this machine. */
  readonly hosts?: readonly string[];
  /** The declared feed that rows over the API belong to; default `api`. */
  readonly feed?: string;
  /** Largest body of a request; default 16 MiB. */
  readonly bodyBytes?: number;
  /** Largest file of an import; default 8 GiB. */
  readonly importBytes?: number;
  readonly stream?: Partial<StreamLimits>;
  readonly subscriptions?: Partial<HubLimits>;
  /** A hub that others use too; it is then theirs to close. */
  readonly hub?: Hub;
}

export interface Server {
  /** Resolves when requests are taken. @throws `bind_refused` */
  listen(): Promise<void>;
  /** Where it listens, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  readonly hub: Hub;
  figures(): readonly Figure[];
  /** Method and path of every route. */
  routes(): readonly string[];
  /** Takes nothing new, answers what is under way for at most `graceMs` (default 5,000), then ends every connection. */
  close(graceMs?: number): Promise<void>;
}

export function createServer(options: ServerOptions): Server {
  return new PoolServer(options);
}

class PoolServer implements Server {
  readonly hub: Hub;
  readonly #options: ServerOptions;
  readonly #host: string;
  readonly #requests = new Map<string, { method: string; route: string; status: number; count: number }>();
  readonly #routes: string[] = [];
  readonly #closing = new AbortController();
  #app: FastifyInstance | undefined;
  #streams: StreamDoor | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    // One address: a name that means two would be two servers, of which only one had the stream.
    this.#host = options.host === undefined || options.host === "localhost" ? "127.0.0.1" : options.host;
    const { door, environment, subscriptions } = options;
    const limits = subscriptions && { limits: subscriptions };
    this.hub = options.hub ?? createHub({ source: door, environment, ...limits });
  }
  get url(): string {
    const address = this.#app?.server.address() as AddressInfo | null | undefined;
    const host = this.#host.includes(":") ? `[${this.#host}]` : this.#host;
    return `http://${host}:${address?.port ?? this.#options.port ?? 8000}`;
  }

  async listen(): Promise<void> {
    const { door, authenticator, environment, allowPublic, origins = [], hosts = [], feed = "api" } = this.#options;
    const loopback = isLoopback(this.#host);
    if (!loopback && allowPublic !== true) throw fail("bind_refused", { host: this.#host });
    const doorway: Doorway = { loopback, origins, hosts };
    const access = createAccess(authenticator, environment);
    const limits = { ...defaultStreamLimits, ...this.#options.stream };
    const bodyBytes = this.#options.bodyBytes ?? 16 * 1024 * 1024;
    const importBytes = this.#options.importBytes ?? 8 * 1024 ** 3;
    const { heartbeatMs } = limits;
    const context: RouteContext = {
      door,
      hub: this.hub,
      access,
      environment,
      feed,
      bodyBytes,
      importBytes,
      heartbeatMs,
      mostEventStreams: limits.connections,
      closing: this.#closing.signal,
    };
    const app = await createApp(
      context,
      doorway,
      (into) => this.#addRoutes(into, context),
      (method, route, status) => this.#count(method, route, status),
    );
    this.#app = app;
    this.#streams = createStreamDoor(app.server, { door, hub: this.hub, access, environment, limits, feed }, doorway);
    await app.listen({ host: this.#host, port: this.#options.port ?? 8000 });
  }

  figures(): readonly Figure[] {
    const hub = this.hub.figures();
    const gauge = (name: string, help: string, value: number): Figure => ({
      name,
      kind: "gauge",
      help,
      labels: {},
      value,
    });
    const counter = (name: string, help: string, value: number): Figure => ({
      name,
      kind: "counter",
      help,
      labels: {},
      value,
    });
    const requests = Array.from(this.#requests.values(), ({ method, route, status, count }) => ({
      ...counter("millpond_http_requests_total", "HTTP requests by route and status.", count),
      labels: { method, route, status: String(status) },
    }));
    return [
      gauge("millpond_stream_connections", "Open WebSocket connections.", this.#streams?.connections() ?? 0),
      gauge("millpond_subscriptions", "Subscriptions now.", hub.subscriptions),
      gauge("millpond_subscriptions_catching_up", "Subscriptions that are reading from the log.", hub.catchingUp),
      gauge("millpond_subscriptions_conflating", "Slow subscriptions that get the newest row per key.", hub.conflating),
      gauge("millpond_subscription_shapes", "Distinct shapes, each evaluated and encoded once.", hub.shapes),
      counter("millpond_stream_deliveries_total", "Deliveries to subscribers.", hub.deliveries),
      counter("millpond_stream_rows_total", "Rows delivered to subscribers.", hub.rows),
      counter("millpond_stream_conflated_rows_total", "Rows left out by conflation.", hub.conflatedRows),
      counter("millpond_stream_cuts_total", "Subscriptions cut because they were too slow.", hub.cutSlow),
      ...requests,
    ];
  }
  routes(): readonly string[] {
    return this.#routes;
  }

  async close(graceMs = 5_000): Promise<void> {
    this.#closing.abort();
    if (this.#options.hub === undefined) this.hub.close();
    const app = this.#app;
    // Answers under way are given; what takes longer than the grace is cut off.
    const cancel = this.#options.environment.timers.after(graceMs, () => app?.server.closeAllConnections());
    await Promise.all([this.#streams?.close(graceMs), app?.close()]);
    cancel();
  }

  #addRoutes(app: FastifyInstance, context: RouteContext): void {
    app.addHook("onRoute", ({ method, url }) => {
      for (const one of [method].flat()) if (one !== "HEAD") this.#routes.push(`${one} ${url}`);
    });
    addDatasetRoutes(app, context);
    addRowRoutes(app, context);
    addImportRoutes(app, context);
    addQueryRoutes(app, context);
    addEventRoutes(app, context, new Flusher());
    addQuarantineRoutes(app, context);
    addOperationRoutes(app, context);
    addHealthRoutes(app, context, () => this.figures());
  }

  #count(method: string, route: string, status: number): void {
    const key = `${method} ${route} ${status}`;
    const counted = this.#requests.get(key) ?? { method, route, status, count: 0 };
    counted.count += 1;
    this.#requests.set(key, counted);
  }
}
