/** What the commands have in common: how one gets its options and output, and where its example stands. */
import type { Command } from "commander";
import { type GlobalOptions, globalOptions } from "./options.ts";
import { createOutput, type Output } from "./output.ts";

export interface Context {
  readonly options: GlobalOptions;
  readonly output: Output;
}

/** An action that is given its context, its options, and its arguments as a list. */
export function act<Options>(
  command: Command,
  run: (context: Context, options: Options, args: readonly string[]) => Promise<void>,
): Command {
  return command.action(async (...given: unknown[]) => {
    const called = given.at(-1) as Command;
    const all = called.optsWithGlobals();
    const options = globalOptions(all);
    // A list argument comes as one array.
    const args = given
      .slice(0, -2)
      .flat()
      .filter((each) => each !== undefined) as string[];
    await run({ options, output: createOutput(options.json) }, all as Options, args);
  });
}

export const example = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText("after", `\nExample:\n${lines.map((line) => `  $ millpond ${line}`).join("\n")}`);
