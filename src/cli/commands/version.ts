/** `version`: what runs here. */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import type { Command } from "commander";
import { act, example } from "../command.ts";
import { facts } from "../output.ts";

export function packageVersion(): string {
  // The sources lie one folder deeper when they are built.
  for (const place of ["../../../package.json", "../../../../package.json"]) {
    const file = new URL(place, import.meta.url);
    if (existsSync(file)) return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
  }
  return "unknown";
}

export function addVersion(program: Command): void {
  const command = program.command("version").description("The versions of Millpond, Node and this machine.");
  example(command, "version --json");
  act(command, async ({ output }) => {
    const found = {
      millpond: packageVersion(),
      node: process.versions.node,
      sqlite: process.versions.sqlite ?? "none",
      platform: `${process.platform} ${process.arch}`,
    };
    output.result(found, () => facts(Object.entries(found)));
  });
}
