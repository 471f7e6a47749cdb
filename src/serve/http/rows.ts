/** Rows in over HTTP: the body goes to the gate as it came, and every row has an outcome. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { fail } from "../../base/index.ts";
import { decodeBatch } from "../../batch/index.ts";
import type { Admission, Incoming } from "../../gate/index.ts";
import { writableContractOf } from "../conditions.ts";
import { datasetParameters } from "./datasets.ts";
import { Lanes } from "./lanes.ts";
import { addRoute, type RouteContext } from "./route.ts";

const count = Type.Integer({ minimum: 0 });

export const admissionSchema = Type.Object({
  position: Type.Integer({ description: "The commit that holds the batch; durable." }),
  repeated: Type.Boolean({ description: "The batch had been stored before; nothing was stored now." }),
  account: Type.Object({
    received: count,
    accepted: count,
    duplicate: count,
    quarantined: count,
    late: count,
    refused: count,
  }),
  rejections: Type.Array(
    Type.Object({
      place: count,
      outcome: Type.String(),
      code: Type.String(),
      message: Type.String(),
      field: Type.Optional(Type.String()),
      rule: Type.Optional(Type.String()),
      quarantineId: Type.Optional(Type.String()),
    }),
    { description: "At most 1,000; the quarantine has all." },
  ),
});

export const admissionAnswer = ({ receipt, repeated, account, rejections }: Admission) => ({
  position: receipt.position,
  repeated,
  account,
  rejections,
});

const SESSION = /^[A-Za-z0-9_-]{8,64}$/;
const BATCH = /^[1-9]\d{0,15}$/;

export function addRowRoutes(app: FastifyInstance, { door, feed, environment, bodyBytes }: RouteContext): void {
  const lanes = new Lanes(environment.newId);
  addRoute(app, {
    method: "POST",
    url: "/v1/datasets/:dataset/rows",
    scope: "write",
    tag: "data",
    summary: "Append rows",
    description:
      "An array of rows, or one row a line. With `Millpond-Session` (8 to 64 letters, digits, `_` or `-`) and " +
      "`Millpond-Batch` (1, 2, 3 … within the session) a request may be sent again: it is stored once.",
    parameters: datasetParameters,
    headers: Type.Object({
      "millpond-session": Type.Optional(Type.String()),
      "millpond-batch": Type.Optional(Type.String()),
    }),
    body: Type.Unknown(),
    consumes: ["application/json", "application/x-ndjson", "application/vnd.millpond.columns"],
    answer: admissionSchema,
    rawBody: true,
    bodyBytes,
    handler: async (request) => {
      const { dataset } = request.params as { dataset: string };
      writableContractOf(door.contracts, dataset);
      const incoming = incomingOf(request.body);
      const actor = request.principal!.id;
      const submit = (session: string, batch: number) =>
        door.submit({ dataset, feed, session, batch, actor, incoming });
      const given = numberedBatch(request.headers);
      if (given === undefined) return admissionAnswer(await lanes.use(actor, submit));
      return admissionAnswer(await submit(`${actor}/${given.session}`, given.batch));
    },
  });
}

function incomingOf(body: unknown): Incoming {
  if (typeof body === "string") return { kind: "json", text: body };
  if (body instanceof Uint8Array) return { kind: "columns", batch: decodeBatch(body) };
  throw fail("request_invalid", { problem: "there is no body" });
}

function numberedBatch(headers: Record<string, unknown>): { session: string; batch: number } | undefined {
  const session = headers["millpond-session"];
  const batch = headers["millpond-batch"];
  if (session === undefined && batch === undefined) return undefined;
  if (typeof session !== "string" || !SESSION.test(session) || typeof batch !== "string" || !BATCH.test(batch)) {
    throw fail("request_invalid", {
      problem: "Millpond-Session and Millpond-Batch are both needed and must be well-formed",
    });
  }
  return { session, batch: Number(batch) };
}
