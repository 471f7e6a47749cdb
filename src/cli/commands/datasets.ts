/** `datasets`: what is declared, and one contract in full. */
import type { Command } from "commander";
import { formatDuration } from "../../base/index.ts";
import { type Contract, type ContractVersion, contractToJson } from "../../contract/index.ts";
import { describe } from "../../expression/index.ts";
import { act, example } from "../command.ts";
import { fetchContract } from "../contract.ts";
import { facts, table } from "../output.ts";
import { withSession } from "../session.ts";

interface DatasetEntry {
  readonly name: string;
  readonly version: number;
  readonly description: string;
  readonly key: readonly string[];
  readonly time: string;
  readonly keys: number;
}

export function addDatasets(program: Command): void {
  const command = program
    .command("datasets")
    .summary("what is declared; with a name, its contract")
    .description("The declared datasets; with a name, the contract of one: fields, key, rules.")
    .argument("[name]")
    .option("--system", "also Millpond's own");
  example(command, "datasets ticks");
  act<{ system?: boolean }>(command, ({ options, output }, { system }, [name]) =>
    withSession(options, async ({ api }) => {
      if (name !== undefined) {
        const known = await fetchContract(api, name);
        output.result({ version: known.version, contract: contractToJson(known.contract) }, () => contractText(known));
        return;
      }
      const answer = await api.get<{ position: number; datasets: readonly DatasetEntry[] }>("/v1/datasets");
      const datasets = answer.datasets.filter((each) => system || !each.name.startsWith("_"));
      output.result({ position: answer.position, datasets }, () =>
        table(datasets, [
          { title: "dataset", value: (each) => each.name },
          { title: "version", value: ({ version }) => version, right: true },
          { title: "key", value: ({ key }) => key.join(", ") },
          { title: "time", value: ({ time }) => time },
          { title: "keys", value: ({ keys }) => keys, right: true },
          { title: "description", value: ({ description }) => description },
        ]),
      );
    }),
  );
}

function contractText({ version, contract }: ContractVersion): string {
  const { name, description, key, time, identity, lateness, layout, rules } = contract;
  const parts = [
    facts([
      ["dataset", name],
      ["version", version],
      ["description", description],
      ["key", key.join(", ")],
      ["event time", time],
      ["identity", identity === "content" ? "equal rows are one" : "one row per key and time; later ones correct it"],
      ["lateness", lateness === null ? "no bound" : formatDuration(lateness)],
    ]),
    table(layout, [
      { title: "field", value: (field) => field.name },
      { title: "type", value: ({ type, nullable }) => `${type}${nullable ? ", may be absent" : ""}` },
      { title: "bounds", value: (field) => boundsOf(contract, field.name) },
      { title: "unit", value: (field) => contract.fields[field.name]!.unit },
      { title: "description", value: (field) => contract.fields[field.name]!.description },
    ]),
  ];
  if (rules.length > 0) {
    parts.push(
      table(rules, [
        { title: "rule", value: (rule) => rule.name },
        { title: "otherwise", value: ({ otherwise }) => otherwise },
        { title: "holds when", value: ({ holds }) => describe(holds) },
      ]),
    );
  }
  return parts.join("\n\n");
}

function boundsOf({ fields }: Contract, name: string): string | null {
  const { minimum, maximum, maximumLength, options } = fields[name]!;
  if (options !== undefined) return options.join(" | ");
  if (maximumLength !== undefined) return `at most ${maximumLength} characters`;
  if (minimum === undefined && maximum === undefined) return null;
  return `${minimum ?? ""} … ${maximum ?? ""}`.trim();
}
