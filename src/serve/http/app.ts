/** The HTTP application: plug-ins, the hooks every request passes, and the one form of errors. */
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import scalar from "@scalar/fastify-api-reference";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { asMillpondError, type Environment, fail, fromUtf8, MillpondError } from "../../base/index.ts";
import { type Access, checkDoorway, type Doorway, readScope, requireScope } from "../access.ts";
import { openApiOf } from "./openapi.ts";
import { type RouteContext, type RouteScope, sendJsonText } from "./route.ts";

const COLUMNS = "application/vnd.millpond.columns";
const NO_SOURCE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/** The API page: its script and style come from here, and it may ask nobody but us. */
const PAGE_SOURCES =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

export type RequestCounter = (method: string, route: string, status: number) => void;

export async function createApp(
  context: RouteContext,
  doorway: Doorway,
  addRoutes: (app: FastifyInstance) => void,
  count: RequestCounter,
): Promise<FastifyInstance> {
  const { environment, bodyBytes } = context;
  const app = Fastify({
    logger: false,
    genReqId: () => environment.newId(),
    bodyLimit: bodyBytes,
    requestTimeout: 60_000,
    // Connections without a request under way; the others end with their answer.
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: 1024 },
    // Of addresses that cannot be read: no route is known and no hook runs, but the answer has the one form.
    frameworkErrors: (error, request, reply) => void sendError(error, request, reply, environment, bodyBytes),
    ajv: { customOptions: { removeAdditional: false, strict: false } },
  });
  // What leaves is made by the handlers; the schemas of answers are documentation, not a second serialiser.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.decorateRequest("principal", undefined);
  addBodies(app);
  addHooks(app, context, doorway, count);
  addErrors(app, context, bodyBytes);
  await app.register(helmet, { contentSecurityPolicy: false, hsts: false, crossOriginEmbedderPolicy: false });
  await app.register(rateLimit, { global: false });
  await app.register(swagger, { openapi: openApiOf(context.door) });
  addRoutes(app);
  await app.register(scalar, {
    routePrefix: "/docs",
    configuration: {
      pageTitle: `${context.door.name}: API`,
      withDefaultFonts: false,
      telemetry: false,
      hideClientButton: true,
      showDeveloperTools: "never",
      agent: { disabled: true },
      mcp: { disabled: true },
    },
  });
  return app;
}

/**
 * Bodies come as JSON, as lines of JSON, or as columns. Compressed ones are not read: they could be of any size. Text
 * that is not UTF-8 is refused: a reader that puts marks in place of what it cannot read would change rows unnoticed.
 */
function addBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body, done) => {
    const text = textOf(body as Buffer);
    if (text === undefined) done(fail("request_invalid", { problem: "the body is not UTF-8" }));
    else if (request.routeOptions.config.rawBody === true) done(null, text);
    else void parseJson(request, text, done);
  });
  type Done = (error: Error | null, body?: unknown) => void;
  const raw = (request: FastifyRequest, body: string | Buffer | undefined, done: Done): void => {
    if (body === undefined) done(fail("request_invalid", { problem: "the body is not UTF-8" }));
    else if (request.routeOptions.config.rawBody === true) done(null, body);
    else done(fail("media_type_unknown", { problem: "send JSON" }));
  };
  app.addContentTypeParser("application/x-ndjson", { parseAs: "buffer" }, (request, body, done) =>
    raw(request, textOf(body as Buffer), done),
  );
  app.addContentTypeParser(COLUMNS, { parseAs: "buffer" }, raw);
}

function textOf(body: Buffer): string | undefined {
  try {
    return fromUtf8(body);
  } catch {
    return undefined;
  }
}

function addHooks(app: FastifyInstance, context: RouteContext, doorway: Doorway, count: RequestCounter): void {
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    reply.header("cache-control", "no-store");
    reply.header("content-security-policy", request.url.startsWith("/docs") ? PAGE_SOURCES : NO_SOURCE);
    checkDoorway(doorway, request.headers.host, request.headers.origin);
    const encoding = request.headers["content-encoding"];
    if (encoding !== undefined && encoding !== "identity") throw fail("media_type_unknown", { problem: encoding });
    const { scope } = request.routeOptions.config;
    if (scope !== undefined) admit(request, scope, context.access, doorway.loopback);
  });
  app.addHook("onSend", (_request, reply, payload, done) => {
    // A connection that stayed open behind its last answer would hold up the end until it is cut off.
    if (context.closing.aborted) reply.header("connection", "close");
    done(null, payload);
  });
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "unknown";
    const { statusCode: status } = reply;
    count(request.method, route, status);
    const level = status >= 500 ? "error" : status >= 400 ? "info" : "debug";
    context.environment.logger.log(level, "request", {
      requestId: request.id,
      method: request.method,
      route,
      status,
      durationMs: Math.round(reply.elapsedTime * 1000) / 1000,
      principal: request.principal?.id,
    });
  });
}

function admit(request: FastifyRequest, scope: RouteScope, access: Access, loopback: boolean): void {
  if (scope === "open") return;
  const { authorization } = request.headers;
  if (scope === "local" && loopback && authorization === undefined) return;
  const { ticket } = request.query as { ticket?: unknown };
  request.principal =
    request.routeOptions.config.ticket === true && typeof ticket === "string"
      ? access.byTicket(ticket)
      : access.byHeader(authorization);
  const { dataset } = request.params as { dataset?: string };
  if (scope === "dataset") requireScope(request.principal, readScope(dataset ?? ""));
  else requireScope(request.principal, scope === "local" ? "read" : scope);
}

function addErrors(app: FastifyInstance, { environment }: RouteContext, limitBytes: number): void {
  app.setErrorHandler((thrown: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
    sendError(thrown, request, reply, environment, limitBytes),
  );
  app.setNotFoundHandler(() => {
    throw fail("route_unknown");
  });
}

function sendError(
  thrown: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  environment: Environment,
  limitBytes: number,
): FastifyReply {
  const error = translated(thrown, limitBytes);
  const { spec } = error;
  if (spec.family === "bug") {
    const { cause } = error;
    const stack = cause instanceof Error ? cause.stack : error.stack;
    environment.logger.log("error", "request failed", { requestId: request.id, code: error.code, stack });
  }
  if (spec.status === 401) reply.header("www-authenticate", "Bearer");
  if (spec.status === 429) reply.header("retry-after", String(error.details.seconds ?? 1));
  return sendJsonText(reply.code(spec.status), JSON.stringify({ error: error.toJSON(), requestId: request.id }));
}

/** Errors of the HTTP library in the words of our table. */
function translated(error: FastifyError, limitBytes: number): MillpondError {
  if (error instanceof MillpondError) return error;
  if (error.validation !== undefined) return fail("request_invalid", { problem: error.message });
  switch (error.statusCode) {
    case 413:
      return fail("body_too_large", { limitBytes });
    case 415:
      return fail("media_type_unknown", { problem: "send JSON, lines of JSON, or columns" });
    case 429:
      return fail("rate_limited", { seconds: 60 });
    case 400:
      return fail("request_invalid", { problem: "the body or the address cannot be read" });
    default:
      return asMillpondError(error);
  }
}
