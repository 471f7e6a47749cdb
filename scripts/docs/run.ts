/**
 * Runs the blocks of a page in a folder of its own, laid out as a user's: `millpond` is an installed package there and
 * a command on the path. What the blocks leave behind is seen by those after them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { type Block, isMarked, type Page, root, settingOf } from "./pages.ts";

const LIMIT_MS = 60_000;

export interface Outcome {
  readonly block: Block;
  readonly expected: Block | undefined;
  readonly output: string;
  readonly problem?: string;
}

/** A folder as a project that uses Millpond has it. */
export function layOut(folder: string): void {
  mkdirSync(path.join(folder, "node_modules"), { recursive: true });
  mkdirSync(path.join(folder, ".bin"));
  symlinkSync(root, path.join(folder, "node_modules", "millpond"));
  writeFileSync(path.join(folder, "package.json"), '{"type":"module","private":true}\n');
  writeFileSync(path.join(folder, ".env"), "");
  const command = `#!/bin/sh\nexec "${process.execPath}" "${path.join(root, "bin", "millpond.mjs")}" "$@"\n`;
  writeFileSync(path.join(folder, ".bin", "millpond"), command, { mode: 0o755 });
}

/** The file a block of TypeScript becomes. */
export const scriptOf = (block: Block): string => settingOf(block, "file") ?? `line-${block.line}.ts`;

export const isScript = (block: Block): boolean =>
  block.language === "ts" && (isMarked(block, "run") || settingOf(block, "file") !== undefined);

/** Writes what the page declares as files, so that it can be checked and run. */
export function writeFiles({ blocks }: Page, folder: string, textOf = (text: string): string => text): void {
  for (const block of blocks) {
    const name = isScript(block) ? scriptOf(block) : settingOf(block, "file");
    if (name !== undefined) writeFileSync(path.join(folder, name), `${textOf(block.text)}\n`);
  }
}

export const runs = (page: Page): boolean => page.blocks.some((block) => isMarked(block, "run"));

/** Block by block; ends with the first that does not do what the page says. */
export async function runPage(page: Page, folder: string): Promise<readonly Outcome[]> {
  const ports = new Ports();
  await ports.find();
  writeFiles(page, folder, (text) => ports.applied(text));
  const servers: ChildProcess[] = [];
  const outcomes: Outcome[] = [];
  try {
    for (const [index, block] of page.blocks.entries()) {
      if (isMarked(block, "serve")) servers.push(await serve(ports.applied(block.text), folder));
      if (!isMarked(block, "run")) continue;
      const { output, code } = await runBlock(block, ports, folder);
      const next = page.blocks[index + 1];
      const expected = next !== undefined && isMarked(next, "output") ? next : undefined;
      const printed = ports.removed(output);
      const wanted = Number(settingOf(block, "exit") ?? 0);
      const problem = problemOf(printed, code, wanted, expected);
      outcomes.push({ block, expected, output: printed, ...(problem !== undefined && { problem }) });
      if (code !== wanted) break;
    }
  } finally {
    for (const server of servers) await stop(server);
  }
  return outcomes;
}

function problemOf(output: string, code: number, wanted: number, expected: Block | undefined): string | undefined {
  if (code !== wanted) return `ended with ${code} instead of ${wanted} and printed:\n${output}`;
  if (expected === undefined || fits(expected.text, output)) return undefined;
  return `printed:\n${output}\ninstead of:\n${expected.text}`;
}

/** What differs from run to run: hashes, and moments of the machine's clock, which alone have microseconds. */
const steady = (text: string): string =>
  text.replace(/\b[0-9a-f]{24,64}\b/g, "HASH").replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/g, "MOMENT");

/** Whether a text is what a page says, in which `…` stands for anything. */
export function fits(expected: string, output: string): boolean {
  const lines = plain(expected).map((line) => (line.trim() === "…" ? undefined : line));
  const pattern = lines
    .map((line) => (line === undefined ? "(?:.*\\n)*" : `${line.split("…").map(RegExp.escape).join(".*")}\\n`))
    .join("");
  return new RegExp(`^${pattern}$`).test(`${plain(output).join("\n")}\n`);
}

const plain = (text: string): string[] =>
  steady(text)
    .replace(/\n+$/, "")
    .split("\n")
    .map((line) => line.trimEnd());

/** Pages name the ports a user has; here each run gets free ones. */
class Ports {
  readonly #free = new Map<string, string>();

  async find(): Promise<void> {
    for (const port of ["8000", "8001"]) this.#free.set(port, String(await freePort()));
  }
  applied(text: string): string {
    let result = text;
    for (const [port, free] of this.#free) result = result.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${free}`);
    const [api, bridge] = [...this.#free.values()];
    return result.replace(/millpond start/g, `millpond start --port ${api} --bridge-port ${bridge}`);
  }
  removed(text: string): string {
    let result = text;
    for (const [port, free] of this.#free) result = result.replaceAll(free, port);
    return result;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function environmentOf(folder: string): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: __, ...inherited } = process.env;
  const places = [path.join(folder, ".bin"), path.dirname(process.execPath), inherited.PATH];
  return { ...inherited, PATH: places.join(path.delimiter), NO_COLOR: "1" };
}

/** The shell keeps its exported variables from block to block, as one that is typed into does. */
const shellScript = (text: string): string => `set -ea\n. ./.env\ntrap 'export -p > .env' EXIT\n${text}\n`;

function runBlock(block: Block, ports: Ports, folder: string): Promise<{ output: string; code: number }> {
  if (block.language === "ts") return finished(start(process.execPath, [path.join(folder, scriptOf(block))], folder));
  return finished(start("sh", ["-c", shellScript(ports.applied(block.text))], folder));
}

const start = (command: string, args: readonly string[], folder: string): ChildProcess =>
  spawn(command, args, { cwd: folder, env: environmentOf(folder), stdio: ["ignore", "pipe", "pipe"] });

async function finished(child: ChildProcess): Promise<{ output: string; code: number }> {
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      output += chunk;
    });
  }
  const force = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const code = await new Promise<number>((resolve) => {
    child.once("close", (status, signal) => resolve(status ?? (signal === "SIGKILL" ? 137 : 1)));
  });
  clearTimeout(force);
  return { output, code };
}

async function serve(text: string, folder: string): Promise<ChildProcess> {
  const child = start("sh", ["-c", `exec ${text}`], folder);
  let said = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const untilMs = performance.now() + LIMIT_MS;
  while (!said.includes("ready: ")) {
    if (child.exitCode !== null || performance.now() > untilMs) {
      await stop(child);
      throw new Error(`'${text}' did not become ready:\n${said}`);
    }
    await pause(50);
  }
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGINT");
  const force = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  await ended;
  clearTimeout(force);
}
