/** `doctor`: what is wrong here and what to do, with or without a running server. */
import type { Command } from "commander";
import { act, example } from "../command.ts";
import type { Check } from "../doctor-checks.ts";
import { port } from "../options.ts";
import { table } from "../output.ts";
import { loadPool } from "../pool-module.ts";
import { Ended, exitCodes } from "../problem.ts";
import { findServer } from "../server-file.ts";
import { tokenOf } from "../token.ts";

interface DoctorOptions {
  readonly port: number;
  readonly bridgePort: number;
}

export function addDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .summary("what is wrong here, and what to do")
    .description("Checks this machine and the data folder, beside a running server or without. Exit code 3: a failure.")
    .option("--port <number>", "the API's port", port("--port"), 8000)
    .option("--bridge-port <number>", "the bridge's port", port("--bridge-port"), 8001);
  example(command, "doctor");
  act<DoctorOptions>(command, async ({ options, output }, given) => {
    const { folder } = options;
    const { checkClock, checkFolder, checkNode, checkPort, checkServer, checkStore } = await import(
      "../doctor-checks.ts"
    );
    const definition = await loadPool(options.pool);
    const checks: Check[] = [checkNode(), checkClock(), ...checkFolder(folder)];
    const server = findServer(folder);
    if (server === undefined) {
      checks.push(...(await checkStore(definition, folder)));
      checks.push(await checkPort(given.port, "API", "--port"));
      checks.push(await checkPort(given.bridgePort, "bridge", "--bridge-port"));
    } else checks.push(...(await checkServer(definition, server, () => tokenOf(options))));
    const problems = checks.filter(({ state }) => state === "fail").length;
    const warned = checks.some(({ state }) => state === "warn");
    output.result({ ok: problems === 0, checks }, () =>
      [
        table(checks, [
          { title: "", value: ({ state }) => state },
          { title: "check", value: ({ name }) => name },
          { title: "found", value: ({ found }) => found },
          { title: "what to do", value: ({ advice }) => advice ?? "" },
        ]),
        "",
        problems > 0 ? `${problems} to mend` : warned ? "nothing has failed" : "all is well",
      ].join("\n"),
    );
    if (problems > 0) throw new Ended(exitCodes.fault);
  });
}
