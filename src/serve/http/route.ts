/** One way to declare a route: what it is for, who may call it, and the schemas that the OpenAPI document shows. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import Type, { type TSchema } from "typebox";
import type { Environment } from "../../base/index.ts";
import type { Hub } from "../../subscribe/index.ts";
import type { Access, Scope } from "../access.ts";
import type { PoolDoor, Principal } from "../types.ts";

/** `open`: no token. `local`: no token on a loopback bind, `read` elsewhere. `dataset`: `read`, or `admin` for `_…`. */
export type RouteScope = Scope | "open" | "local" | "dataset";

declare module "fastify" {
  interface FastifyRequest {
    principal: Principal | undefined;
  }
  interface FastifyContextConfig {
    scope?: RouteScope;
    /** The body reaches the handler as the text or bytes that came. */
    rawBody?: boolean;
    /** The token may come as a single-use ticket in the query: for EventSource, which can set no header. */
    ticket?: boolean;
  }
}

export interface RouteContext {
  readonly door: PoolDoor;
  readonly hub: Hub;
  readonly access: Access;
  readonly environment: Environment;
  readonly feed: string;
  readonly bodyBytes: number;
  /** Largest file of an import. */
  readonly importBytes: number;
  readonly heartbeatMs: number;
  /** Open at once, of all clients. */
  readonly mostEventStreams: number;
  /** Aborts when the server takes nothing new: answers without an end are ended. */
  readonly closing: AbortSignal;
  readonly catchUpGraceMs?: number;
}

interface RouteDeclaration {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly scope: RouteScope;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: TSchema;
  readonly query?: TSchema;
  readonly headers?: TSchema;
  readonly body?: TSchema;
  /** Media types of the body; default JSON. */
  readonly consumes?: readonly string[];
  readonly answer?: TSchema;
  readonly produces?: readonly string[];
  readonly rawBody?: boolean;
  readonly ticket?: boolean;
  /** Requests of one address a minute; default unlimited. */
  readonly perMinute?: number;
  readonly bodyBytes?: number;
  readonly handler: (request: FastifyRequest, reply: FastifyReply) => unknown;
}

export const errorSchema = Type.Object({
  error: Type.Object({
    code: Type.String({ description: "A code of docs/errors.md" }),
    message: Type.String(),
    details: Type.Record(Type.String(), Type.Unknown()),
    retryable: Type.Boolean(),
  }),
  requestId: Type.String(),
});

export function addRoute(app: FastifyInstance, route: RouteDeclaration): void {
  const { method, url, scope, tag, summary, answer } = route;
  const media = (types: readonly string[], schema: TSchema) => ({
    content: Object.fromEntries(types.map((type) => [type, { schema }])),
  });
  app.route({
    method,
    url,
    config: {
      scope,
      rawBody: route.rawBody === true,
      ticket: route.ticket === true,
      ...(route.perMinute !== undefined && { rateLimit: { max: route.perMinute, timeWindow: 60_000 } }),
    },
    ...(route.bodyBytes !== undefined && { bodyLimit: route.bodyBytes }),
    schema: {
      tags: [tag],
      summary,
      ...(route.description !== undefined && { description: route.description }),
      security: scope === "open" || scope === "local" ? [] : [{ bearer: [] }],
      ...(route.parameters && { params: route.parameters }),
      ...(route.query && { querystring: route.query }),
      ...(route.headers && { headers: route.headers }),
      ...(route.body && (route.consumes ? { body: media(route.consumes, route.body) } : { body: route.body })),
      response: {
        200: {
          description: "The answer.",
          ...media(route.produces ?? ["application/json"], answer ?? Type.Unknown()),
        },
        default: { description: "A typed error.", ...media(["application/json"], errorSchema) },
      },
    },
    // Bodies that reach the gate as text are judged there; checking them here would mean parsing them twice.
    ...(route.rawBody === true && { validatorCompiler: () => () => true }),
    handler: route.handler,
  });
}

/** Sends text that is JSON already. */
export function sendJsonText(reply: FastifyReply, text: string): FastifyReply {
  return reply.type("application/json; charset=utf-8").send(text);
}
