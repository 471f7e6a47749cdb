/** The contract of a dataset as the server has it. */
import { type Contract, type ContractVersion, contractFromJson } from "../contract/index.ts";
import type { Api } from "./api.ts";
import { usage } from "./options.ts";

/** @throws `dataset_unknown` */
export async function fetchContract(api: Api, dataset: string): Promise<ContractVersion> {
  const { version, contract } = await api.get<{ version: number; contract: unknown }>(
    `/v1/datasets/${encodeURIComponent(dataset)}`,
  );
  return { version, contract: contractFromJson(contract) };
}

/** Key values of the types the contract declares. */
export function keyOf({ name, key, layout }: Contract, given: readonly string[]): (string | number | boolean)[] {
  if (given.length !== key.length) throw usage(`a key of '${name}' is: ${key.join(" ")}`);
  return given.map((text, index) => {
    const type = layout.find((field) => field.name === key[index])?.type;
    if (type === "boolean") return text === "true";
    if (type !== "integer" && type !== "float") return text;
    const value = Number(text);
    if (text.trim() === "" || Number.isNaN(value)) throw usage(`'${key[index]}' is a number, not '${text}'`);
    return value;
  });
}
