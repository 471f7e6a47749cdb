/** Conditions as callers write them: text for people, a tree for programs. */
import { fail } from "../base/index.ts";
import type { Contract, ContractVersion } from "../contract/index.ts";
import { type Expression, expressionFromJson, parseExpression } from "../expression/index.ts";

/** @throws `request_invalid`, and what the expression room refuses with. */
export function readCondition(given: unknown, contract: Contract): Expression | undefined {
  if (given === undefined || given === null || given === "") return undefined;
  const options = { allowPrevious: false };
  if (typeof given === "string") return parseExpression(given, contract.layout, options);
  if (typeof given !== "object") throw fail("request_invalid", { problem: "where is neither text nor a tree" });
  return expressionFromJson(given, contract.layout, options);
}

/** @throws `dataset_protected`, `dataset_unknown` */
export function writableContractOf(contracts: ReadonlyMap<string, ContractVersion>, dataset: string): ContractVersion {
  if (dataset.startsWith("_")) throw fail("dataset_protected", { dataset });
  return contractOf(contracts, dataset);
}

/** @throws `dataset_unknown` */
export function contractOf(contracts: ReadonlyMap<string, ContractVersion>, dataset: string): ContractVersion {
  const known = contracts.get(dataset);
  if (known === undefined) throw fail("dataset_unknown", { dataset, known: [...contracts.keys()] });
  return known;
}
