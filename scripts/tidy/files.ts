/** Size of files, files nobody uses, and lines that name a machine. Functions over 70 lines are the linter's to find. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Finding, Tree } from "./tree.ts";

const MOST_LINES = 350;
/** Files that something outside TypeScript starts. */
const ENTRIES =
  /(\.test\.ts|\.faults\.ts|^scripts\/|^bench\/|^src\/cli\/main\.ts|^src\/pool\/index\.ts|^client\/index\.ts|^testing\/|^pools\/[^/]+\/index\.ts|^connect\/[^/]+\/main\.ts|^test\/)/;

export function checkFiles(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const used = new Set(tree.files.flatMap((file) => file.imports.map(({ target }) => target)));
  for (const file of tree.files) {
    const find = (line: number, rule: string, message: string): void => {
      findings.push({ file: file.path, line, rule, message });
    };
    if (!file.test && file.lines.length > MOST_LINES)
      find(1, "file-size", `${file.lines.length} lines, most is ${MOST_LINES}`);
    if (!used.has(file.path) && !ENTRIES.test(file.path)) find(1, "dead-file", "nothing imports this file");
    if (!file.test && !/^\s*(#!.*\n)?\s*\/\*\*?/.test(file.text))
      find(1, "file-head", "start with a comment that says what must hold here");
  }
  return [...findings, ...missingPapers(tree.root)];
}

function missingPapers(root: string): Finding[] {
  const wanted = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "SECURITY.md",
    ".ci/run",
  ];
  const missing = wanted.filter((name) => !existsSync(path.join(root, name)));
  const findings = missing.map((file) => ({ file, line: 1, rule: "paper", message: "is missing" }));
  const lock = readFileSync(path.join(root, "package-lock.json"), "utf8");
  if (/"resolved":\s*"http/.test(lock)) {
    findings.push({ file: "package-lock.json", line: 1, rule: "paper", message: "names a registry host" });
  }
  return findings;
}
