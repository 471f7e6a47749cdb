/** How the pool does, and what an operator may ask of it. */
import { PassThrough } from "node:stream";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { asMillpondError, formatInstant, toHex } from "../../base/index.ts";
import type { Commit } from "../../log/index.ts";
import { addRoute, type RouteContext } from "./route.ts";

export function addOperationRoutes(app: FastifyInstance, { door, access }: RouteContext): void {
  const show = (url: string, summary: string, read: () => unknown): void =>
    addRoute(app, { method: "GET", url, scope: "read", tag: "operation", summary, handler: () => read() });
  show("/v1/chains", "Every path from source to subscribers, with live figures per hop", () => door.chains());
  show("/v1/feeds", "Every feed and what it is doing", () => door.feeds());
  show("/v1/tasks", "Every task, its owner and state", () => door.tasks());
  show("/v1/accounts", "received = accepted + duplicate + quarantined + late + refused, per feed and dataset", () => ({
    position: door.head(),
    accounts: door.accounts(),
  }));
  show("/v1/log", "Where the log ends", () => ({ position: door.head() }));
  addRoute(app, {
    method: "GET",
    url: "/v1/log/commits",
    scope: "admin",
    tag: "operation",
    summary: "Headers of commits after a position",
    query: Type.Object(
      {
        after: Type.Optional(Type.Integer({ minimum: 0, default: 0 })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 100 })),
        dataset: Type.Optional(Type.String({ maxLength: 128 })),
      },
      { additionalProperties: false },
    ),
    handler: async (request) => {
      const { after = 0, limit = 100, dataset } = request.query as { after?: number; limit?: number; dataset?: string };
      const commits = await door.read(after, { commits: limit, ...(dataset !== undefined && { datasets: [dataset] }) });
      return { position: door.head(), commits: commits.map(commitHeader) };
    },
  });
  addRoute(app, {
    method: "POST",
    url: "/v1/verify",
    scope: "admin",
    tag: "operation",
    summary: "Check every hash of the log and every view against it",
    description: "Lines of JSON: progress as `{done, of}`, at last `{result}` or `{error}`.",
    produces: ["application/x-ndjson"],
    handler: (_request, reply) => {
      const lines = new PassThrough();
      const say = (line: unknown): boolean => lines.write(`${JSON.stringify(line)}\n`);
      door
        .verify((done, of) => void (lines.destroyed || lines.writableNeedDrain || say({ done, of })))
        .then(
          (result) => lines.end(`${JSON.stringify({ result })}\n`),
          (error: unknown) => lines.end(`${JSON.stringify({ error: asMillpondError(error).toJSON() })}\n`),
        );
      return reply.type("application/x-ndjson").send(lines);
    },
  });
  addRoute(app, {
    method: "POST",
    url: "/v1/views/:view/rebuild",
    scope: "admin",
    tag: "operation",
    summary: "Drop a view and build it again from the log",
    parameters: Type.Object({ view: Type.String({ maxLength: 128 }) }),
    handler: async (request) => {
      const { view } = request.params as { view: string };
      await door.rebuild(view);
      return { view, position: door.head() };
    },
  });
  addRoute(app, {
    method: "POST",
    url: "/v1/tickets",
    scope: "read",
    tag: "access",
    perMinute: 600,
    summary: "A single-use ticket, valid for 30 s, for connections that can set no header",
    answer: Type.Object({ ticket: Type.String(), expiresInMs: Type.Integer() }),
    handler: (request) => access.issueTicket(request.principal!),
  });
}

/** Everything of a commit but its rows and the values it replaced. */
function commitHeader({ position, at, actor, cause, changes, previous, hash }: Commit) {
  const told = cause.kind === "flow" ? { ...cause, corrections: cause.corrections?.length ?? 0 } : cause;
  return {
    position,
    at: formatInstant(at),
    actor,
    cause: told,
    changes: changes.map(({ dataset, contract, operation, batch, bytes }) => ({
      dataset,
      contract,
      operation,
      rows: batch.count,
      bytes: bytes.length,
    })),
    previous: toHex(previous),
    hash: toHex(hash),
  };
}
