/** The command line: runs the command that is asked for and ends with an exit code that means something. */
import process from "node:process";
import { reportProblem } from "./problem.ts";
import { createProgram } from "./program.ts";

async function main(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    return reportProblem(error, args.includes("--json"));
  }
}

// Whoever reads our output may stop reading, as `head` does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
const exitCode = await main(process.argv.slice(2));
// What a library left open must not keep a finished command.
if (exitCode !== 0) process.exitCode = exitCode;
