/** `latest`: the newest row of a key, from memory. */
import type { Command } from "commander";
import { fail } from "../../base/index.ts";
import { act, example } from "../command.ts";
import { fetchContract, keyOf } from "../contract.ts";
import { facts } from "../output.ts";
import { cellText, plainRow } from "../rows.ts";
import { withSession } from "../session.ts";

export function addLatest(program: Command): void {
  const command = program
    .command("latest")
    .summary("the newest row of a key")
    .description("The newest row of a key by event time, from memory, with its place in the log.")
    .argument("<dataset>")
    .argument("<key...>", "the key fields in their order");
  example(command, "latest ticks EURUSD");
  act(command, ({ options, output }, _given, [dataset, ...key]) =>
    withSession(options, async (session) => {
      const { contract } = await fetchContract(session.api, dataset!);
      const { layout } = contract;
      const found = await (await session.client()).dataset(dataset!).latest(...keyOf(contract, key));
      if (found === undefined) throw fail("key_unknown", { dataset: dataset! });
      const { position, place } = found;
      const row = plainRow(layout, found.row);
      output.result({ position, place, row }, () => {
        const cells = layout.map(({ name }): [string, string | null] => [name, cellText(row[name])]);
        return facts([...cells, ["position", `${position}, row ${place + 1} of its commit`]]);
      });
    }),
  );
}
