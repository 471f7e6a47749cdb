/**
 * How long a pool with many ticks stored takes until it is ready: after a clean stop, and after a kill while rows were
 * arriving. Usage: node bench/start.ts [ticks]
 */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { fill } from "./fill.ts";

const count = Number(process.argv[2] ?? 10_000_000);
const folder = mkdtempSync(path.join(tmpdir(), "millpond-start-"));
const server = fileURLToPath(new URL("./peers/millpond-server.ts", import.meta.url));

/** Milliseconds from the start of the process until it listens. */
async function startOnce(end: "SIGTERM" | "SIGKILL"): Promise<number> {
  const startMs = performance.now();
  const child = fork(server, [folder], { execArgv: ["--no-warnings"] });
  await new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", reject);
  });
  const tookMs = performance.now() - startMs;
  await new Promise((resolve) => {
    child.once("exit", resolve);
    child.kill(end);
  });
  return tookMs;
}

try {
  const seconds = await fill(folder, count);
  console.log(`${count.toLocaleString("en")} ticks stored in ${seconds.toFixed(1)} s`);
  for (const end of ["SIGTERM", "SIGKILL", "SIGTERM"] as const) {
    console.log(`ready after ${((await startOnce(end)) / 1000).toFixed(2)} s (then ended by ${end})`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
