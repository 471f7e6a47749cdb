/** The frame of the OpenAPI document; the routes add themselves, the contracts give the schemas of rows. */
import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";
import { jsonSchema } from "../../contract/index.ts";
import type { PoolDoor } from "../types.ts";

type OpenApi = NonNullable<FastifyDynamicSwaggerOptions["openapi"]>;

export function openApiOf(door: PoolDoor): OpenApi {
  const schemas: Record<string, object> = {};
  for (const [name, { contract }] of door.contracts) {
    if (name.startsWith("_")) continue;
    schemas[`${name}_row_input`] = jsonSchema(contract, "input");
    schemas[`${name}_row_output`] = jsonSchema(contract, "output");
  }
  return {
    openapi: "3.1.0",
    info: {
      title: `Millpond: ${door.name}`,
      version: "1",
      description:
        "Rows in with an outcome each, rows out with the position they stand at. Live rows: the WebSocket at " +
        "`/v1/stream` (docs/protocol/stream.md) or server-sent events at `/v1/datasets/{dataset}/stream`.",
    },
    tags: [
      { name: "data", description: "Datasets, rows, queries and live rows" },
      { name: "quarantine", description: "Rows that were not accepted" },
      { name: "operation", description: "How the pool does" },
      { name: "access", description: "Sign-in" },
    ],
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
      schemas,
    },
  };
}
