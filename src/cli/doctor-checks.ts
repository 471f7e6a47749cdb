/** The checks of `doctor`: each looks at one thing, says what it found and what to do. None changes anything. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { asMillpondError, createEnvironment, formatInstant, MillpondError } from "../base/index.ts";
import { compareContracts } from "../contract/index.ts";
import { type FolderInspection, inspectFolder, type PoolDefinition, readTokens, tokensFile } from "../pool/index.ts";
import { type Api, createApi } from "./api.ts";
import { fetchContract } from "./contract.ts";
import type { RunningServer } from "./server-file.ts";

export interface Check {
  readonly name: string;
  readonly state: "ok" | "warn" | "fail";
  readonly found: string;
  /** What to do; absent where all is well. */
  readonly advice?: string;
}

const ok = (name: string, found: string): Check => ({ name, state: "ok", found });
const warn = (name: string, found: string, advice: string): Check => ({ name, state: "warn", found, advice });
const failed = (name: string, found: string, advice: string): Check => ({ name, state: "fail", found, advice });

const NODE_MAJOR = 26;
const LITTLE_BYTES = 2 * 1024 ** 3;
const LEAST_BYTES = 256 * 1024 ** 2;
const EARLIEST = Date.UTC(2024, 0, 1) * 1000;
const AHEAD_MICROS = 5_000_000;

export function checkNode(): Check {
  const { node } = process.versions;
  if (Number(node.split(".")[0]) >= NODE_MAJOR) return ok("node", `version ${node}`);
  return failed("node", `version ${node}`, `use Node ${NODE_MAJOR} or newer; 'npm ci' installs one beside Millpond`);
}

export function checkFolder(folder: string): Check[] {
  if (!existsSync(folder)) return [ok("folder", `${folder} is not there yet; the first start makes it`)];
  const checks: Check[] = [];
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    checks.push(ok("folder", `${folder} can be read and written`));
  } catch {
    checks.push(failed("folder", `${folder} cannot be written`, "give this user the folder, or name another"));
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const text = `${(free / 1024 ** 3).toFixed(1)} GiB free`;
  if (free < LEAST_BYTES) checks.push(failed("disk", text, "make room: a full disk refuses every write"));
  else if (free < LITTLE_BYTES) checks.push(warn("disk", text, "make room soon"));
  else checks.push(ok("disk", text));
  return [...checks, checkTokens(folder)];
}

function checkTokens(folder: string): Check {
  const file = tokensFile(folder);
  if (!existsSync(file)) return ok("tokens", "none yet; the first start makes them");
  const mode = statSync(file).mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    return failed("tokens", `others may read them (mode ${mode.toString(8)})`, `run: chmod 600 '${file}'`);
  }
  try {
    return ok("tokens", `${readTokens(file).length} tokens, for their owner's eyes only`);
  } catch (error) {
    return failed("tokens", asMillpondError(error).message, "restore the file, or delete it to make new tokens");
  }
}

/** Everything of the folder itself, while no server holds it. */
export async function checkStore(definition: PoolDefinition, folder: string): Promise<Check[]> {
  const environment = createEnvironment();
  const { log, contracts, series }: FolderInspection = await inspectFolder(definition, folder, environment);
  if (log === undefined) return [ok("log", "none yet; the first start or import begins it")];
  if (log instanceof MillpondError) return [logProblem(log)];
  const checks = [
    ok("lock", "free"),
    ok("log", `opens and agrees with its mark at position ${log.position}`),
    ...contracts.map(({ dataset, kind, changes, plan }) => contractCheck(dataset, kind, changes, plan)),
    seriesCheck(series),
  ];
  if (log.position > 0 && log.at > environment.clock.now() + AHEAD_MICROS) {
    const advice = "set the clock; until it has caught up commits get the time of the one before";
    checks.push(warn("clock", `the log's last commit is of ${formatInstant(log.at)}, later than now`, advice));
  }
  return mergedContracts(checks);
}

function logProblem(error: MillpondError): Check {
  switch (error.code) {
    case "log_locked":
      return failed("lock", error.message, "stop that process, or work with it by --url");
    case "log_tail_lost":
    case "log_mark_missing":
      return failed("log", error.message, "restore log.db and log.mark together from a backup");
    default:
      return failed("log", error.message, "restore the folder from a backup; keep a copy of what is there now");
  }
}

function contractCheck(
  dataset: string,
  kind: FolderInspection["contracts"][number]["kind"],
  changes: readonly string[],
  plan: readonly string[],
): Check {
  const name = `contract ${dataset}`;
  if (kind === "same") return ok(name, "as stored");
  if (kind === "new") return ok(name, "not stored yet; the next start stores it");
  if (kind === "compatible") {
    return warn(name, `differs: ${changes.join("; ")}`, "nothing: the next start stores it as a new version");
  }
  return failed(name, `does not fit the stored one: ${changes.join("; ")}`, plan.join("; "));
}

/** One line for all contracts that are as they were. */
function mergedContracts(checks: readonly Check[]): Check[] {
  const same = checks.filter(({ name, found }) => name.startsWith("contract ") && found === "as stored");
  const rest = checks.filter((check) => !same.includes(check));
  return same.length === 0 ? rest : [...rest, ok("contracts", `${same.length} are as stored`)];
}

function seriesCheck(series: FolderInspection["series"]): Check {
  if (series === undefined) return ok("series", "no file yet; it is filled from the log");
  if (typeof series === "number") return ok("series", `opens in DuckDB and stands at position ${series}`);
  if (series.code === "view_corrupt") {
    return warn("series", series.message, "nothing: the next start drops it and fills it again from the log");
  }
  return failed("series", series.message, "stop whatever has the file open");
}

/** What the server that runs on the folder says of itself, and whether it has the declared contracts. */
export async function checkServer(
  definition: PoolDefinition,
  server: RunningServer,
  tokenOf: () => string,
): Promise<Check[]> {
  const checks = [ok("server", `process ${server.pid} at ${server.url}; it holds the folder`)];
  try {
    const api = createApi(server.url, tokenOf());
    checks.push(await readiness(api));
    for (const declared of [...definition.datasets, ...definition.flows.map(({ into }) => into)]) {
      const { contract } = await fetchContract(api, declared.name);
      const difference = { changes: [], plan: [], ...compareContracts(contract, declared) };
      checks.push(contractCheck(contract.name, difference.kind, difference.changes, difference.plan));
    }
  } catch (error) {
    const { message } = asMillpondError(error);
    checks.push(failed("server", message, "see the server's own output; restart it"));
  }
  return mergedContracts(checks);
}

async function readiness(api: Api): Promise<Check> {
  const answer = await fetch(`${api.url}/health/ready`, { headers: { authorization: `Bearer ${api.token}` } });
  const { ready, reasons } = (await answer.json()) as { ready: boolean; reasons: readonly string[] };
  return ready
    ? ok("ready", "takes rows and answers")
    : failed("ready", reasons.join("; "), "see 'tasks' and 'chains'");
}

export async function checkPort(port: number, what: string, option: string): Promise<Check> {
  const name = `port ${port}`;
  const free = await new Promise<boolean>((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
  if (free) return ok(name, `free for the ${what}`);
  return warn(name, "in use by something else", `stop that, or start with ${option}`);
}

export function checkClock(): Check {
  const now = createEnvironment().clock.now();
  if (now > EARLIEST) return ok("clock", formatInstant(now));
  return failed("clock", `${formatInstant(now)} cannot be`, "set the clock of this machine");
}
