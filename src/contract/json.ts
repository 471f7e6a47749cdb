/**
 * Contracts as JSON: how a version is stored in the log and served. The form is strict both ways: what is read back
 * passes every check a declaration passes, and equal contracts give equal text.
 */
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { asMillpondError, fail } from "../base/index.ts";
import type { Expression } from "../expression/index.ts";
import { MOST_FIELDS, MOST_RULES, namedFieldProblem } from "./declaration.ts";
import { layoutOf, sealed, shownName } from "./series.ts";
import type { Contract, Field, Fields, Rule } from "./types.ts";

const strict = { additionalProperties: false } as const;

const fieldSchema = Type.Object(
  {
    name: Type.String({ maxLength: 64 }),
    type: Type.Enum(["boolean", "integer", "float", "decimal", "text", "instant", "duration", "json"]),
    nullable: Type.Boolean(),
    unit: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    classification: Type.Enum(["public", "internal", "confidential", "restricted"]),
    personalData: Type.String(),
    minimum: Type.Optional(Type.Number()),
    maximum: Type.Optional(Type.Number()),
    maximumLength: Type.Optional(Type.Integer()),
    options: Type.Optional(Type.Array(Type.String(), { maxItems: 1_000 })),
    scale: Type.Optional(Type.Integer()),
  },
  strict,
);

const ruleSchema = Type.Object(
  {
    name: Type.String(),
    holds: Type.Unknown({ description: "An expression tree" }),
    otherwise: Type.Enum(["quarantine", "refuse", "count"]),
    description: Type.String(),
  },
  strict,
);

/** The JSON Schema of a contract's own JSON form. */
export const contractSchema = Type.Object(
  {
    kind: Type.Literal("series"),
    name: Type.String(),
    description: Type.String(),
    fields: Type.Array(fieldSchema, { maxItems: MOST_FIELDS }),
    key: Type.Array(Type.String()),
    time: Type.String(),
    identity: Type.Enum(["content", "keyTime"]),
    rules: Type.Array(ruleSchema, { maxItems: MOST_RULES }),
    lateness: Type.Union([Type.Integer(), Type.Null()], { description: "Microseconds" }),
    keepRaw: Type.Boolean(),
    retention: Type.Union([Type.Integer(), Type.Null()], { description: "Microseconds" }),
  },
  strict,
);

export interface FieldJson extends Field {
  readonly name: string;
}
/** Fields stand in a list, because their order has a meaning. */
export interface ContractJson extends Omit<Contract, "fields" | "layout"> {
  readonly fields: readonly FieldJson[];
}

export function contractToJson(contract: Contract): ContractJson {
  const { fields, layout: _, ...rest } = contract;
  const { kind, name, description, ...settings } = rest;
  return {
    kind,
    name,
    description,
    fields: Object.entries(fields).map(([field, declared]) => ({ name: field, ...declared })),
    ...settings,
  };
}

/** Canonical JSON text (RFC 8785): the cell `body` of `_contracts`. */
export function contractText(contract: Contract): string {
  return canonicalize(contractToJson(contract)) as string;
}

/** SHA-256 of the canonical text, in hexadecimal: equal exactly where the contracts are. */
export const contractFingerprint = (contract: Contract): string =>
  createHash("sha256").update(contractText(contract)).digest("hex");

const compiled = Compile(contractSchema);

/**
 * Reads what `contractToJson` or `contractText` gave.
 * @throws `contract_invalid` for anything else, also for a contract that today's checks refuse
 */
export function contractFromJson(given: unknown): Contract {
  const value = typeof given === "string" ? parsed(given) : given;
  if (!compiled.Check(value)) {
    const place = compiled.Errors(value)[0];
    const where = place === undefined ? "" : ` at '${place.instancePath.slice(0, 100).toWellFormed()}'`;
    throw invalid(nameOf(value), `not the JSON of a contract${where}`);
  }
  const json = value as unknown as ContractJson;
  const fields: Record<string, Field> = {};
  for (const { name, ...field } of json.fields) {
    const problem = Object.hasOwn(fields, name) ? `field '${name}' stands twice` : namedFieldProblem(name, field);
    if (problem !== undefined) throw invalid(json.name, problem);
    fields[name] = field;
  }
  return sealed(assembled(json, fields), true);
}

function assembled(json: ContractJson, fields: Fields): Contract {
  const { kind, name, description, key, time, identity, lateness, keepRaw, retention } = json;
  const rules = json.rules.map((rule): Rule => ({ ...rule, holds: rule.holds as Expression }));
  return {
    kind,
    name,
    description,
    fields,
    layout: layoutOf(fields),
    key,
    time,
    identity,
    rules,
    lateness,
    keepRaw,
    retention,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid("", "not JSON", asMillpondError(error));
  }
}

const nameOf = (value: unknown): string =>
  typeof value === "object" && value !== null && "name" in value ? String(value.name) : "";

const invalid = (name: string, problem: string, cause?: unknown) =>
  fail("contract_invalid", { dataset: shownName(name), problem }, cause);
