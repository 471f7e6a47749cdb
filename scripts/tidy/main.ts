/**
 * `npm run tidy`: what a machine can check of how this repository is written. Prints each finding as
 * `file:line rule message` and exits with 1 when there is any.
 */
import { checkCalls } from "./calls.ts";
import { checkCycles } from "./cycles.ts";
import { checkErrors } from "./errors.ts";
import { checkFiles } from "./files.ts";
import { checkTiers } from "./tiers.ts";
import { readTree } from "./tree.ts";

const tree = readTree(new URL("../..", import.meta.url).pathname);
const findings = [
  ...checkTiers(tree),
  ...checkCycles(tree),
  ...checkCalls(tree),
  ...checkFiles(tree),
  ...(await checkErrors(tree)),
];
for (const { file, line, rule, message } of findings) console.log(`${file}:${line} ${rule} ${message}`);
console.log(
  findings.length === 0 ? `tidy: ${tree.files.length} files, no findings` : `tidy: ${findings.length} findings`,
);
process.exitCode = findings.length === 0 ? 0 : 1;
