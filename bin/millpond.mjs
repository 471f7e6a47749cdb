#!/usr/bin/env node
// Starts the command line on a Node that runs TypeScript sources: this one if it is new enough, otherwise the Node that
// `npm ci` installed beside the package.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const built = here("../dist/src/cli/main.js");
const entry = existsSync(here("../src/cli/main.ts")) ? here("../src/cli/main.ts") : built;
const NEEDED_MAJOR = 26;

if (Number(process.versions.node.split(".")[0]) >= NEEDED_MAJOR) {
  await import(entry);
} else {
  const own = here("../node_modules/node/bin/node");
  if (!existsSync(own)) {
    console.error(`Millpond needs Node ${NEEDED_MAJOR} or newer; run 'npm ci' in its folder to install one beside it.`);
    process.exit(1);
  }
  // The channel tells the child when this process is gone, however it went.
  const child = spawn(own, [entry, ...process.argv.slice(2)], { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  child.channel?.unref();
  // A terminal sends Ctrl-C to both; the child takes what comes twice at once for one, and decides when all is drained.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal ? 1 : 0);
  });
}
