/** The error table and docs/errors.md say the same, and every code is raised somewhere. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { errorTable } from "../../src/base/index.ts";
import type { Finding, Tree } from "./tree.ts";

/** The page that belongs to the table; `npm run tidy -- --write` writes it. */
export function errorsPage(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { family, status, retryable, message }]) =>
      `| \`${code}\` | ${family} | ${status} | ${retryable ? "yes" : "no"} | ${message.replace(/\|/g, "\\|")} |`,
  );
  return [
    "# Errors",
    "",
    "Every code that Millpond answers with. *Refusals* answer a request, *row* codes are reasons on single rows of a",
    "batch, *conditions* are states of the outside that may pass (retry them), *bugs* are ours.",
    "Places in braces are filled in; the same values stand in `details`.",
    "",
    "| code | family | status | retry | message |",
    "|---|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

export async function checkErrors(tree: Tree): Promise<Finding[]> {
  const { writeFile } = await import("node:fs/promises");
  const file = path.join(tree.root, "docs/errors.md");
  if (process.argv.includes("--write")) await writeFile(file, errorsPage());
  const findings: Finding[] = [];
  if (!existsSync(file) || readFileSync(file, "utf8") !== errorsPage()) {
    findings.push({
      file: "docs/errors.md",
      line: 1,
      rule: "errors",
      message: "differs from the table: npm run tidy -- --write",
    });
  }
  const source = tree.files.filter((each) => !each.test && each.path !== "src/base/error-table.ts");
  for (const code of Object.keys(errorTable)) {
    if (source.some(({ text }) => text.includes(`"${code}"`))) continue;
    findings.push({ file: "src/base/error-table.ts", line: 1, rule: "errors", message: `${code} is raised nowhere` });
  }
  return findings;
}
