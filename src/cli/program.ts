/** The commands and what all of them know. */
import { Command } from "commander";
import { addDatasets } from "./commands/datasets.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addExplain } from "./commands/explain.ts";
import { addImport } from "./commands/import.ts";
import { addLatest } from "./commands/latest.ts";
import { addLog } from "./commands/log.ts";
import { addQuarantine } from "./commands/quarantine.ts";
import { addQuery } from "./commands/query.ts";
import { addStart } from "./commands/start.ts";
import { addStatus } from "./commands/status.ts";
import { addTail } from "./commands/tail.ts";
import { addRebuild, addVerify } from "./commands/verify.ts";
import { addVersion, packageVersion } from "./commands/version.ts";

export function createProgram(): Command {
  const program = new Command("millpond")
    .description("A governed real-time data pool: every row judged, kept in one durable log, pushed without a hole.")
    .version(packageVersion())
    .option("--folder <dir>", "the data folder (default ./.millpond)")
    .option("--url <url>", "use the server there instead of the folder's own")
    .option("--token-file <file>", "a file that holds the access token (default the folder's tokens.json)")
    .option("--pool <module>", "a module whose default export is a pool (default the market pool)")
    .option("--json", "print JSON for programs")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError()
    .exitOverride();
  const adders = [addStart, addImport, addTail, addQuery, addLatest, addExplain, addDatasets, addQuarantine, addStatus];
  for (const add of [...adders, addLog, addVerify, addRebuild, addDoctor, addVersion]) add(program);
  program.addHelpText(
    "after",
    "\nExit codes: 0 fine, 1 refused or failed, 2 wrong usage, 3 a fault or problem was found.",
  );
  return program;
}
