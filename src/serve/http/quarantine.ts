/** Rows that were not accepted: to look at, to try again, to put aside. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { fail } from "../../base/index.ts";
import type { Expression } from "../../expression/index.ts";
import type { Answer } from "../../query/index.ts";
import { rowsToJson } from "../../subscribe/index.ts";
import { readCondition } from "../conditions.ts";
import { addRoute, type RouteContext, sendJsonText } from "./route.ts";
import { admissionAnswer, admissionSchema } from "./rows.ts";

const DATASET = "_quarantine";
const ids = Type.Object(
  { ids: Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { minItems: 1, maxItems: 10_000 }) },
  { additionalProperties: false },
);

export function addQuarantineRoutes(app: FastifyInstance, { door }: RouteContext): void {
  const find = (where: Expression | undefined, limit: number, after?: string): Promise<Answer> =>
    door.query({ dataset: DATASET, limit, ...(where && { where }), ...(after !== undefined && { after }) });
  const contract = () => {
    const known = door.contracts.get(DATASET);
    if (known === undefined) throw fail("dataset_unknown", { dataset: DATASET, known: [] });
    return known.contract;
  };
  addRoute(app, {
    method: "GET",
    url: "/v1/quarantine",
    scope: "admin",
    tag: "quarantine",
    summary: "Rows that were not accepted, in the order they came",
    query: Type.Object(
      {
        where: Type.Optional(
          Type.String({ description: "A condition, such as `feed = 'mt5' and reason = 'rule_failed'`" }),
        ),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 100 })),
        after: Type.Optional(Type.String()),
      },
      { additionalProperties: false },
    ),
    handler: async (request, reply) => {
      const { where, limit = 100, after } = request.query as { where?: string; limit?: number; after?: string };
      const answer = await find(readCondition(where, contract()), limit, after);
      const next = answer.next === undefined ? "" : `,"next":${JSON.stringify(answer.next)}`;
      const rows = rowsToJson(answer.layout, answer.batch);
      return sendJsonText(reply, `{"position":${answer.position},"rows":${rows}${next}}`);
    },
  });
  addRoute(app, {
    method: "GET",
    url: "/v1/quarantine/:id",
    scope: "admin",
    tag: "quarantine",
    summary: "One kept row, with its raw form",
    parameters: Type.Object({ id: Type.String({ maxLength: 128 }) }),
    handler: async (request, reply) => {
      const { id } = request.params as { id: string };
      const where: Expression = {
        op: "eq",
        left: { op: "field", name: "id" },
        right: { op: "literal", type: "text", value: id },
      };
      const { layout, batch } = await find(where, 1);
      if (batch.count === 0) throw fail("key_unknown", { dataset: DATASET });
      return sendJsonText(reply, rowsToJson(layout, batch).slice(1, -1));
    },
  });
  addRoute(app, {
    method: "POST",
    url: "/v1/quarantine/retry",
    scope: "admin",
    tag: "quarantine",
    summary: "Judge kept rows again, under today's contract and policies",
    body: ids,
    answer: admissionSchema,
    handler: async (request) => {
      const body = request.body as { ids: string[] };
      return admissionAnswer(await door.retry(body.ids, request.principal!.id));
    },
  });
  addRoute(app, {
    method: "POST",
    url: "/v1/quarantine/discard",
    scope: "admin",
    tag: "quarantine",
    summary: "Put kept rows aside for good; the log still holds them",
    body: ids,
    handler: async (request) => {
      const body = request.body as { ids: string[] };
      const { position } = await door.discard(body.ids, request.principal!.id);
      return { position };
    },
  });
}
