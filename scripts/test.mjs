// `npm test`: lint, types, tidy, dead code, then every test, and a plain closing line.
//   npm test -- unit         only the tests beside the sources
//   npm test -- whole        only the whole-pool tests (crash, simulation, end to end)
//   npm test -- src/gate     only the tests under a path
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const wanted = process.argv.slice(2);
const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: "inherit" }).status ?? 1;
const bin = (name) => path.join(root, "node_modules", ".bin", name);

const CHECKS = [
  ["lint", bin("biome"), ["check", "."]],
  ["types", bin("tsc"), ["--noEmit"]],
  ["tidy", process.execPath, ["scripts/tidy/main.ts"]],
  ["dead code", bin("knip"), ["--no-progress"]],
];
const UNIT = [
  "src/**/*.test.ts",
  "client/**/*.test.ts",
  "connect/**/*.test.ts",
  "testing/**/*.test.ts",
  "pools/**/*.test.ts",
];
const WHOLE = ["test/**/*.test.ts", "scripts/**/*.test.ts"];

function patterns() {
  if (wanted.length === 0) return [...UNIT, ...WHOLE];
  return wanted.flatMap((name) =>
    name === "unit" ? UNIT : name === "whole" ? WHOLE : [name.endsWith(".ts") ? name : `${name}/**/*.test.ts`],
  );
}

let passed = 0;
let failed = 0;
const failures = [];
if (wanted.length === 0) {
  for (const [name, command, args] of CHECKS) {
    console.log(`\n== ${name}`);
    if (run(command, args) === 0) passed += 1;
    else {
      failed += 1;
      failures.push(name);
    }
  }
}

console.log("\n== tests");
const folder = mkdtempSync(path.join(tmpdir(), "millpond-tests-"));
const summaryFile = path.join(folder, "summary.json");
const status = run(process.execPath, [
  "--test",
  "--test-concurrency=2",
  "--test-reporter=./scripts/reporter.mjs",
  "--test-reporter-destination=stdout",
  "--test-reporter=./scripts/summary.mjs",
  `--test-reporter-destination=${summaryFile}`,
  ...patterns(),
]);
const summary = JSON.parse(readFileSync(summaryFile, "utf8") || "{}");
rmSync(folder, { recursive: true, force: true });
passed += summary.passed ?? 0;
failed += summary.failed ?? 0;
failures.push(...(summary.failures ?? []));
if (status !== 0 && !(summary.failed > 0)) {
  failed += 1;
  failures.push(`the test runner ended with ${status}`);
}

for (const [reason, names] of Object.entries(summary.skips ?? {}))
  console.log(`skipped (${reason}): ${names.join("; ")}`);
for (const name of failures) console.log(`FAILED ${name}`);
console.log(`${passed} passed, ${failed} failed${summary.skipped ? `, ${summary.skipped} skipped` : ""}`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
