/** The repository's TypeScript as the checks see it: text and imports, nothing is run. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

export interface Import {
  /** Repository path of an own file, or the bare name of a package. */
  readonly target: string;
  readonly own: boolean;
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly imports: readonly Import[];
  readonly test: boolean;
}

export interface Tree {
  readonly root: string;
  readonly files: readonly SourceFile[];
  readonly byPath: ReadonlyMap<string, SourceFile>;
}

export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

const IMPORT_FORM = /^\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?["']([^"']+)["']/gm;
/** Files started by name, such as the entry of a worker thread. */
const NAMED_FORM = /(?<!from |import )["'](\.{1,2}\/[^"'\n]+\.ts)["']/g;

export function readTree(root: string): Tree {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], { cwd: root });
  const files = listed
    .toString()
    .split("\n")
    .filter((name) => name !== "" && existsSync(path.join(root, name)))
    .map((name) => readSource(root, name));
  return { root, files, byPath: new Map(files.map((file) => [file.path, file])) };
}

function readSource(root: string, name: string): SourceFile {
  const text = readFileSync(path.join(root, name), "utf8");
  return {
    path: name,
    text,
    lines: text.split("\n"),
    imports: [...importsOf(name, text)],
    test: /\.(test|test-helper|fake|faults)\.ts$/.test(name) || /^(test|testing|bench|scripts)\//.test(name),
  };
}

function* importsOf(name: string, text: string): Iterable<Import> {
  for (const form of [IMPORT_FORM, NAMED_FORM]) {
    for (const match of text.matchAll(form)) {
      const given = form === IMPORT_FORM ? match[2]! : match[1]!;
      const own = given.startsWith(".");
      const target = own ? path.posix.normalize(path.posix.join(path.posix.dirname(name), given)) : given;
      const line = text.slice(0, match.index).split("\n").length;
      yield { target, own, typeOnly: match[1] !== undefined && form === IMPORT_FORM, line };
    }
  }
}
