/** Live rows as server-sent events: the frames of the stream in JSON, resumed by `Last-Event-ID`. */
import type { ServerResponse } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import Type from "typebox";
import { fail } from "../../base/index.ts";
import type { Delivery, Sink, SubscriptionRequest } from "../../subscribe/index.ts";
import { contractOf, readCondition } from "../conditions.ts";
import { eventEncoding } from "../stream/encodings.ts";
import { type Flusher, Outlet } from "../stream/outlet.ts";
import { datasetParameters } from "./datasets.ts";
import { addRoute, type RouteContext } from "./route.ts";

const query = Type.Object(
  {
    where: Type.Optional(Type.String({ description: "A condition, such as `symbol = 'EURUSD'`" })),
    fields: Type.Optional(Type.String({ description: "Field names with commas between; default all" })),
    from: Type.Optional(
      Type.String({ pattern: "^(now|start|\\d{1,16})$", description: "`now`, `start` or a position" }),
    ),
    conflate: Type.Optional(Type.Boolean()),
    provisional: Type.Optional(Type.Boolean()),
    ticket: Type.Optional(Type.String({ description: "From POST /v1/tickets, for clients that can set no header" })),
  },
  { additionalProperties: false },
);

interface EventQuery {
  readonly where?: string;
  readonly fields?: string;
  readonly from?: string;
  readonly conflate?: boolean;
  readonly provisional?: boolean;
}

class EventSink implements Sink {
  readonly #outlet: Outlet;
  readonly #response: ServerResponse;
  constructor(response: ServerResponse, outlet: Outlet) {
    this.#response = response;
    this.#outlet = outlet;
  }
  send(delivery: Delivery): void {
    this.#outlet.write(delivery.encoded(eventEncoding));
    if (delivery.frames.at(-1)?.kind !== "cut") return;
    this.#outlet.flush();
    this.#response.end();
  }
  bufferedBytes(): number {
    return this.#outlet.bufferedBytes();
  }
  onceDrained(callback: () => void): void {
    this.#outlet.onceDrained(callback);
  }
}

export function addEventRoutes(app: FastifyInstance, context: RouteContext, flusher: Flusher): void {
  const { door, hub, environment, heartbeatMs, mostEventStreams, closing } = context;
  let open = 0;
  addRoute(app, {
    method: "GET",
    url: "/v1/datasets/:dataset/stream",
    scope: "dataset",
    tag: "data",
    summary: "Live rows as server-sent events",
    description:
      "Each event's id is the cursor; a client that reconnects sends it as `Last-Event-ID` and misses nothing.",
    parameters: datasetParameters,
    query,
    produces: ["text/event-stream"],
    ticket: true,
    handler: (request, reply) => {
      if (open >= mostEventStreams) throw fail("rate_limited", { seconds: 60 });
      const wanted = subscriptionOf(request, context);
      const response = reply.raw;
      const outlet = new Outlet(response, flusher, environment.timers);
      const subscription = hub.subscribe(wanted, new EventSink(response, outlet));
      open += 1;
      reply.hijack();
      response.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
        "x-content-type-options": "nosniff",
        "x-request-id": request.id,
      });
      const { position, layout } = subscription;
      const hello = JSON.stringify({ type: "subscribed", position, layout });
      outlet.write(Buffer.from(`event: subscribed\nid: ${position}\ndata: ${hello}\n\n`));
      let stopBeat = (): void => {};
      const beat = (): void => {
        stopBeat = environment.timers.after(heartbeatMs, () => {
          outlet.write(Buffer.from(": alive\n\n"));
          beat();
        });
      };
      beat();
      const onClosing = (): void => {
        const { cursor } = subscription;
        subscription.close();
        const cut = JSON.stringify({ type: "cut", cursor, cause: "shutdown" });
        outlet.write(Buffer.from(`event: cut\nid: ${cursor}\ndata: ${cut}\n\n`));
        outlet.flush();
        response.end();
      };
      closing.addEventListener("abort", onClosing, { once: true });
      response.on("close", () => {
        closing.removeEventListener("abort", onClosing);
        open -= 1;
        stopBeat();
        subscription.close();
      });
      return reply;
    },
  });

  function subscriptionOf(request: FastifyRequest, { hub: { head } }: RouteContext): SubscriptionRequest {
    const { dataset } = request.params as { dataset: string };
    const given = request.query as EventQuery;
    const { contract } = contractOf(door.contracts, dataset);
    const where = readCondition(given.where, contract);
    const from = request.headers["last-event-id"] ?? given.from ?? "now";
    if (typeof from !== "string" || !/^(now|start|\d{1,16})$/.test(from)) {
      throw fail("log_position_unknown", { position: "?", head });
    }
    return {
      dataset,
      from: from === "now" || from === "start" ? from : Number(from),
      conflate: given.conflate === true,
      provisional: given.provisional === true,
      ...(where && { where }),
      ...(given.fields && { fields: given.fields.split(",").map((field) => field.trim()) }),
    };
  }
}
