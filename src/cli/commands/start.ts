/** `start`: runs the pool, with live figures until a Ctrl-C. */
import { type Command, Option } from "commander";
import { act, example } from "../command.ts";
import { port, whole } from "../options.ts";
import type { StartOptions } from "../start/run.ts";

export function addStart(program: Command): void {
  const command = program
    .command("start")
    .summary("run the pool: API, bridge, and a simulated terminal")
    .description("Runs the pool: the API, the bridge for terminals, a simulated terminal; shows live figures.")
    .option("--port <number>", "of the API; 0 for any free one", port("--port"), 8000)
    .option("--bridge-port <number>", "of the bridge; 0 for any free one", port("--bridge-port"), 8001)
    .option("--host <address>", "where to listen", "127.0.0.1")
    .option("--allow-public", "listen on an address that other machines can reach")
    .option("--accept-loss", "open although acknowledged commits are missing from the end of the log; recorded in it")
    .option("--no-terminal", "without the simulated terminal")
    .option("--seed <number>", "of the simulated quotes", whole("--seed", 0), 1)
    .option("--rate <ticks>", "simulated ticks a second", whole("--rate", 1, 1_000_000), 20)
    .addOption(
      new Option("--log-level <level>", "of log lines on standard error")
        .choices(["debug", "info", "warn", "error"])
        .default("warn"),
    );
  example(command, "start --port 8000 --rate 50");
  act<StartOptions>(command, async (context, given) => {
    // The engines and the server are needed here, not by a command that only asks for help.
    const { runStart } = await import("../start/run.ts");
    await runStart(context, given);
  });
}
