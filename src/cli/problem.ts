/** How a command fails: one clear line or one JSON object on standard error, and an exit code that means something. */
import process from "node:process";
import { CommanderError } from "commander";
import { asMillpondError, fail, type MillpondError } from "../base/index.ts";
import { printable } from "./output.ts";

export const exitCodes = { fine: 0, failed: 1, usage: 2, fault: 3, forced: 130 } as const;

/** Thrown by a command that has said everything already. */
export class Ended extends Error {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super("ended");
    this.exitCode = exitCode;
  }
}

/** Says the error and gives the exit code. */
export function reportProblem(thrown: unknown, json: boolean): number {
  if (thrown instanceof Ended) return thrown.exitCode;
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.fine;
  // No command was given: the help has been shown.
  if (thrown instanceof CommanderError && thrown.code === "commander.help") return exitCodes.usage;
  const error = asKnown(thrown);
  if (json) process.stderr.write(`${JSON.stringify({ error: error.toJSON() })}\n`);
  else {
    process.stderr.write(`error ${error.code}: ${printable(error.message)}\n`);
    const { excerpt } = error.details;
    if (typeof excerpt === "string") process.stderr.write(`${excerpt.split("\n").map(printable).join("\n")}\n`);
  }
  if (process.env.MILLPOND_DEBUG) process.stderr.write(`${stackOf(thrown)}\n`);
  if (error.code === "usage_invalid") return exitCodes.usage;
  return FAULTS.has(error.code) ? exitCodes.fault : exitCodes.failed;
}

/** A folder that does not open because its log is not what was acknowledged: what verify would have found. */
const FAULTS: ReadonlySet<string> = new Set(["log_corrupt", "log_tail_lost", "log_mark_missing"]);

function asKnown(thrown: unknown): MillpondError {
  if (thrown instanceof CommanderError) {
    return fail("usage_invalid", { problem: thrown.message.replace(/^error: /, "").replaceAll("\n", " ") });
  }
  return asMillpondError(thrown);
}

function stackOf(thrown: unknown): string {
  const lines: string[] = [];
  for (let error = thrown; error instanceof Error; error = error.cause) lines.push(error.stack ?? error.message);
  return lines.join("\ncaused by: ") || String(thrown);
}
