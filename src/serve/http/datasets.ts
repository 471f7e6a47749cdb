/** What there is: datasets with their contracts, the newest row of a key, the story of a value. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import Type from "typebox";
import { fail, parseInstant } from "../../base/index.ts";
import type { ValueType } from "../../batch/index.ts";
import { type Contract, contractToJson, jsonSchema } from "../../contract/index.ts";
import { contractOf } from "../conditions.ts";
import { latestRowText, wrongKey } from "../stream/latest.ts";
import { addRoute, type RouteContext, sendJsonText } from "./route.ts";

export const datasetParameters = Type.Object({ dataset: Type.String({ maxLength: 128 }) });
const keyParameters = Type.Object({
  dataset: Type.String({ maxLength: 128 }),
  "*": Type.String({ description: "The key fields in their order, one path segment each." }),
});

/**
 * Key values out of the address as it was sent, so that a value may hold an encoded slash: one segment a field, of the
 * field's type, and `more` fields behind the key: the event time.
 * @throws `request_invalid`
 */
function keyOf(request: FastifyRequest, contract: Contract, more = 0): (string | number | boolean)[] {
  const [path = ""] = (request.raw.url ?? "").split("?");
  const segments = path.split("/").slice(5);
  const names = [...contract.key, contract.time].slice(0, contract.key.length + more);
  if (segments.length < contract.key.length || segments.length > names.length) throw wrongKey(contract);
  return segments.map((segment, index) => {
    const type = contract.layout.find(({ name }) => name === names[index])?.type;
    return keyValue(decoded(segment), type);
  });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw fail("request_invalid", { problem: "the address is not well encoded" });
  }
}

function keyValue(text: string, type: ValueType | undefined): string | number | boolean {
  switch (type) {
    case "boolean":
      return text === "true";
    case "instant":
      return parseInstant(text) ?? Number(text);
    case "integer":
    case "float":
    case "duration":
      return Number(text);
    default:
      return text;
  }
}

export function addDatasetRoutes(app: FastifyInstance, { door }: RouteContext): void {
  addRoute(app, {
    method: "GET",
    url: "/v1/datasets",
    scope: "read",
    tag: "data",
    summary: "All datasets",
    handler: () => ({
      position: door.head(),
      datasets: Array.from(door.contracts.values(), ({ version, contract }) => ({
        name: contract.name,
        kind: contract.kind,
        version,
        description: contract.description,
        key: contract.key,
        time: contract.time,
        keys: door.latest.keys(contract.name),
      })),
    }),
  });
  addRoute(app, {
    method: "GET",
    url: "/v1/datasets/:dataset",
    scope: "read",
    tag: "data",
    summary: "A dataset's contract, with the JSON Schema of its rows",
    parameters: datasetParameters,
    handler: (request) => {
      const { dataset } = request.params as { dataset: string };
      const { version, contract } = contractOf(door.contracts, dataset);
      const schema = { input: jsonSchema(contract, "input"), output: jsonSchema(contract, "output") };
      return { version, contract: contractToJson(contract), schema };
    },
  });
  addRoute(app, {
    method: "GET",
    url: "/v1/datasets/:dataset/latest/*",
    scope: "dataset",
    tag: "data",
    summary: "The newest row of a key, from memory",
    parameters: keyParameters,
    handler: (request, reply) => {
      const { dataset } = request.params as { dataset: string };
      const { contract } = contractOf(door.contracts, dataset);
      const found = door.latest.get(dataset, keyOf(request, contract));
      if (found === undefined) throw fail("key_unknown", { dataset });
      return sendJsonText(reply, latestRowText(contract, found));
    },
  });
  addRoute(app, {
    method: "GET",
    url: "/v1/datasets/:dataset/explain/*",
    scope: "dataset",
    tag: "data",
    summary: "Where a row comes from: the newest of a key, or that of an event time",
    description: "The event time stands behind the key as one more segment, or in `at` as integer microseconds.",
    parameters: keyParameters,
    query: Type.Object({ at: Type.Optional(Type.Integer({ minimum: 1 })) }, { additionalProperties: false }),
    handler: (request) => {
      const { dataset } = request.params as { dataset: string };
      const { at } = request.query as { at?: number };
      const { contract } = contractOf(door.contracts, dataset);
      const given = keyOf(request, contract, 1);
      const key = given.slice(0, contract.key.length);
      const time = given[contract.key.length];
      return door.explain(dataset, key, time === undefined ? at : Number(time));
    },
  });
}
