/** Alive, ready, and the figures for Prometheus. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { formatMetrics } from "../metrics.ts";
import type { Figure } from "../types.ts";
import { addRoute, type RouteContext, sendJsonText } from "./route.ts";

export function addHealthRoutes(app: FastifyInstance, { door }: RouteContext, own: () => readonly Figure[]): void {
  addRoute(app, {
    method: "GET",
    url: "/health/live",
    scope: "open",
    tag: "operation",
    summary: "The process answers",
    answer: Type.Object({ live: Type.Boolean() }),
    handler: () => ({ live: true }),
  });
  addRoute(app, {
    method: "GET",
    url: "/health/ready",
    scope: "local",
    tag: "operation",
    summary: "Whether the pool takes rows and answers; 503 with the reasons where not",
    answer: Type.Object({ ready: Type.Boolean(), reasons: Type.Array(Type.String()) }),
    handler: (_request, reply) => {
      const { ready, reasons } = door.readiness();
      return sendJsonText(reply.code(ready ? 200 : 503), JSON.stringify({ ready, reasons }));
    },
  });
  addRoute(app, {
    method: "GET",
    url: "/metrics",
    scope: "local",
    tag: "operation",
    summary: "Figures in the Prometheus text format",
    produces: ["text/plain"],
    handler: (_request, reply) =>
      reply.type("text/plain; version=0.0.4; charset=utf-8").send(formatMetrics([...door.figures(), ...own()])),
  });
  addRoute(app, {
    method: "GET",
    url: "/v1/openapi.json",
    scope: "open",
    tag: "access",
    summary: "This document",
    handler: () => app.swagger(),
  });
}
