/** Questions over HTTP: a plan in the body, or its short form in the address. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import Type from "typebox";
import { encodeBatch } from "../../batch/index.ts";
import { type Answer, readPlan } from "../../query/index.ts";
import { encodeMessage, MessageKind, rowsToJson } from "../../subscribe/index.ts";
import { contractOf } from "../conditions.ts";
import { datasetParameters } from "./datasets.ts";
import { type PlanParameters, planOfParameters } from "./plans.ts";
import { addRoute, type RouteContext, sendJsonText } from "./route.ts";

const COLUMNS = "application/vnd.millpond.columns";
const text = (description: string) => Type.Optional(Type.String({ description }));
const position = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }));

const parameters = Type.Object(
  {
    where: text("A condition: `symbol = 'EURUSD' and ask - bid > 0.0005`"),
    select: text("Columns: `time, bid, spread: ask - bid`"),
    group: text("Columns to group by"),
    every: text("Length of tumbling windows on the event time: `1m`"),
    aggregates: text("`high: max(bid), ticks: count()`"),
    order: text("`window_start desc, symbol`"),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    after: text("`next` of the page before"),
    asOf: position("The state as it stood at this position"),
    atLeast: position("Wait until the view has reached this position"),
  },
  { additionalProperties: false },
);

const answer = Type.Object({
  position: Type.Integer({ description: "Everything up to here is in the answer." }),
  view: Type.String(),
  layout: Type.Array(Type.Object({ name: Type.String(), type: Type.String(), nullable: Type.Boolean() })),
  rows: Type.Array(Type.Record(Type.String(), Type.Unknown())),
  next: Type.Optional(Type.String({ description: "Give it as `after` for the next page." })),
});

export function addQueryRoutes(app: FastifyInstance, { door }: RouteContext): void {
  const run = async (request: FastifyRequest, reply: FastifyReply, input: (dataset: string) => unknown) => {
    const { dataset } = request.params as { dataset: string };
    const { contract } = contractOf(door.contracts, dataset);
    const plan = readPlan(input(dataset), contract);
    const stop = new AbortController();
    const onClose = (): void => stop.abort();
    reply.raw.once("close", onClose);
    const found = await door.query(plan, stop.signal);
    reply.raw.off("close", onClose);
    return sendAnswer(request, reply, found);
  };
  const shared = { url: "/v1/datasets/:dataset/query", scope: "dataset", tag: "data" } as const;
  const described = { parameters: datasetParameters, answer, produces: ["application/json", COLUMNS] };
  addRoute(app, {
    ...shared,
    ...described,
    method: "GET",
    summary: "Ask by address",
    query: parameters,
    handler: (request, reply) =>
      run(request, reply, (dataset) =>
        planOfParameters(request.query as PlanParameters, contractOf(door.contracts, dataset).contract),
      ),
  });
  addRoute(app, {
    ...shared,
    ...described,
    method: "POST",
    summary: "Ask by plan",
    description: "The body is a plan; `dataset` may be left out. Conditions may be text or trees.",
    body: Type.Record(Type.String(), Type.Unknown()),
    handler: (request, reply) => run(request, reply, (dataset) => ({ ...(request.body as object), dataset })),
  });
}

function sendAnswer(request: FastifyRequest, reply: FastifyReply, { position, view, layout, batch, next }: Answer) {
  if ((request.headers.accept ?? "").includes(COLUMNS)) {
    const meta = { view, layout, next };
    const columns = encodeBatch(batch);
    const bytes = encodeMessage({ kind: MessageKind.answer, id: 0, position, meta, columns });
    return reply.type(COLUMNS).send(Buffer.from(bytes.buffer));
  }
  const head = JSON.stringify({ position, view, layout, next }).slice(0, -1);
  return sendJsonText(reply, `${head},"rows":${rowsToJson(layout, batch)}}`);
}
