/**
 * The JSON Schema (2020-12) of a dataset's rows as they cross the wire, for OpenAPI, agents and documentation. Going
 * in, an instant may also be integer microseconds and an optional field may be left out; going out, every field is
 * there and has exactly one form.
 */
import { type TSchema, Type } from "typebox";
import { lengthLimit } from "./fields.ts";
import type { Contract, Field } from "./types.ts";

export type Direction = "input" | "output";

const mostWhole = Number.MAX_SAFE_INTEGER;

/** A TypeBox object schema, which is plain JSON. */
export function jsonSchema(contract: Contract, direction: Direction): TSchema {
  const properties: Record<string, TSchema> = {};
  for (const [name, field] of Object.entries(contract.fields)) {
    const schema = fieldSchema(field, direction);
    properties[name] = direction === "input" && field.nullable ? Type.Optional(schema) : schema;
  }
  return Type.Object(properties, {
    title: contract.name,
    ...(contract.description === "" ? {} : { description: contract.description }),
    additionalProperties: false,
  });
}

/** The schema of one field's values. */
export function fieldSchema(field: Field, direction: Direction): TSchema {
  const about = annotations(field);
  const nullable = field.nullable && field.type !== "json";
  const schema = valueSchema(field, direction, nullable ? {} : about);
  return nullable ? Type.Union([schema, Type.Null()], about) : schema;
}

function annotations(field: Field): Record<string, unknown> {
  return {
    ...(field.description === undefined ? {} : { description: field.description }),
    ...(field.unit === undefined ? {} : { "x-unit": field.unit }),
    "x-type": field.type,
    "x-classification": field.classification,
    ...(field.personalData === "none" ? {} : { "x-personal-data": field.personalData }),
  };
}

function valueSchema(field: Field, direction: Direction, about: Record<string, unknown>): TSchema {
  const bounds = {
    ...(field.minimum === undefined ? {} : { minimum: field.minimum }),
    ...(field.maximum === undefined ? {} : { maximum: field.maximum }),
  };
  switch (field.type) {
    case "boolean":
      return Type.Boolean(about);
    case "float":
      return Type.Number({ ...about, ...bounds });
    case "integer":
    case "duration":
      return Type.Integer({ ...about, minimum: -mostWhole, maximum: mostWhole, ...bounds });
    case "decimal":
      return Type.String({ ...about, pattern: decimalPattern(field.scale ?? 38) });
    case "instant":
      return instantSchema(direction, about);
    case "json":
      return Type.Unknown({ ...about, ...(field.nullable ? {} : { not: { type: "null" } }) });
    case "text":
      if (field.options !== undefined) return Type.Enum([...field.options], about);
      return Type.String({ ...about, maxLength: lengthLimit(field) });
  }
}

function instantSchema(direction: Direction, about: Record<string, unknown>): TSchema {
  if (direction === "output") return Type.String({ ...about, format: "date-time" });
  const micros = { minimum: -mostWhole, maximum: mostWhole, description: "Microseconds since 1970-01-01 UTC" };
  return Type.Union([Type.String({ format: "date-time" }), Type.Integer(micros)], about);
}

const decimalPattern = (scale: number): string =>
  scale === 0 ? "^[+-]?\\d{1,38}$" : `^[+-]?\\d{1,38}(\\.\\d{1,${scale}})?$`;
