/**
 * Files in over HTTP. The body goes to a file of its own that only this user may read, never into memory, and is gone
 * when the import ends, however it ends. The answer is lines of JSON, so that a caller sees how far it has come, can
 * stop it, and is told exactly what is durable.
 */
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough, type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import Type from "typebox";
import { asMillpondError, fail } from "../../base/index.ts";
import type { ImportRequest } from "../types.ts";
import { addRoute, type RouteContext } from "./route.ts";

const option = (description: string, most = 256) => Type.Optional(Type.String({ description, maxLength: most }));

const query = Type.Object(
  {
    name: Type.String({
      description: "Name or path of the file: it may tell symbol, date, zone, feed",
      maxLength: 1_024,
    }),
    feed: option("A declared feed of kind import; default: one that fits"),
    dataset: option("Only feeds into this dataset"),
    layout: option("Name of a layout, or a layout as JSON; default: found out from the file", 8_192),
    symbol: option("Where the file does not say"),
    timeframe: option("Where the file does not say"),
    date: option("YYYYMMDD, where the file does not say"),
    zone: option("Time zone of its local times"),
    encoding: Type.Optional(Type.Enum(["utf-8", "latin1"])),
  },
  { additionalProperties: false },
);

type ImportQuery = Omit<ImportRequest, "layout" | "actor" | "signal"> & {
  readonly name: string;
  readonly layout?: string;
};

export function addImportRoutes(app: FastifyInstance, context: RouteContext): void {
  const running = new Map<string, { readonly stop: AbortController; readonly actor: string }>();
  // The stream as it comes: only inside of this scope, so that no other route takes a body of this kind.
  void app.register((scope, _options, done) => {
    scope.addContentTypeParser("application/octet-stream", (_request, payload, done) => done(null, payload));
    addRoute(scope, {
      method: "POST",
      url: "/v1/imports",
      scope: "write",
      tag: "data",
      summary: "Import a file",
      description:
        "The body is the file, plain, gzip or zip. Lines of JSON come back: `{id}`, progress as `{progress}`, at last " +
        "`{report}` or `{error}`.",
      query,
      body: Type.Unknown(),
      consumes: ["application/octet-stream"],
      produces: ["application/x-ndjson"],
      handler: (request, reply) => receive(request, reply, context, running),
    });
    done();
  });
  addRoute(app, {
    method: "POST",
    url: "/v1/imports/:id/stop",
    scope: "write",
    tag: "data",
    summary: "Stop an import after the batches under way; its report then says what is durable",
    parameters: Type.Object({ id: Type.String({ maxLength: 128 }) }),
    handler: (request) => {
      const { id } = request.params as { id: string };
      const found = running.get(id);
      if (found === undefined || found.actor !== request.principal!.id) throw fail("import_unknown", { id });
      found.stop.abort();
      return { id, stopping: true };
    },
  });
}

async function receive(
  request: FastifyRequest,
  reply: FastifyReply,
  { door, environment, importBytes }: RouteContext,
  running: Map<string, { readonly stop: AbortController; readonly actor: string }>,
): Promise<FastifyReply> {
  const wanted = request.query as ImportQuery;
  const actor = request.principal!.id;
  const { name, layout: givenLayout, ...rest } = wanted;
  const layout = layoutOf(givenLayout);
  const folder = await mkdtemp(path.join(tmpdir(), "millpond-import-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = path.join(folder, ...segmentsOf(name));
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const target = createWriteStream(file, { mode: 0o600, flags: "wx" });
    await pipeline(request.body as Readable, capped(importBytes), target);
    const stop = new AbortController();
    const id = environment.newId();
    running.set(id, { stop, actor });
    const lines = new PassThrough();
    const say = (line: unknown): boolean => lines.write(`${JSON.stringify(line)}\n`);
    // Nobody reads on: nothing more is brought in for them.
    reply.raw.once("close", () => stop.abort());
    say({ id });
    void door
      .import(file, { ...rest, ...(layout !== undefined && { layout }), actor, signal: stop.signal }, (progress) => {
        if (!lines.writableNeedDrain) say({ progress });
      })
      .then(
        (report) => say({ report }),
        (error: unknown) => say({ error: asMillpondError(error).toJSON() }),
      )
      .then(remove)
      .finally(() => {
        running.delete(id);
        lines.end();
      });
    return reply.type("application/x-ndjson").send(lines);
  } catch (error) {
    await remove();
    throw error;
  }
}

function layoutOf(given: string | undefined): ImportRequest["layout"] {
  if (!given?.startsWith("{")) return given;
  try {
    return JSON.parse(given) as object;
  } catch (error) {
    throw fail("import_layout_invalid", { layout: "(given)", problem: "it is not JSON" }, error);
  }
}

/** The last parts of a path, as plain names: what is told by folders stays, nothing leads out of ours. */
function segmentsOf(name: string): string[] {
  const plain = name
    .split(/[\\/]/)
    .map((part) => part.replace(/[^\w.#+=@ -]/g, "_").slice(0, 200))
    .filter((part) => !/^\.*$/.test(part));
  return plain.length === 0 ? ["file"] : plain.slice(-3);
}

function capped(limitBytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > limitBytes) done(fail("body_too_large", { limitBytes }));
      else done(null, chunk);
    },
  });
}
