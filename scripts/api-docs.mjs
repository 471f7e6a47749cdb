// `npm run docs:api`: the reference of every room, from its doc comments. The compiler writes declarations; what a
// room's index.ts exports is taken from them, comment and signature, one page a room under docs/api/.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = mkdtempSync(path.join(root, "node_modules", ".api-"));
const tsc = path.join(root, "node_modules", ".bin", "tsc");
const options = ["-p", "tsconfig.build.json", "--emitDeclarationOnly", "--outDir", out, "--sourceMap", "false"];
const compiled = spawnSync(tsc, options, { cwd: root, stdio: "inherit" });
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

/** Declarations of a file in order: name, doc comment, signature. */
function declarationsIn(file) {
  const text = readFileSync(file, "utf8");
  const found = [];
  const form =
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?^export (?:declare )?(?:abstract )?(interface|class|function|const|type) (\w+)/gm;
  for (const match of text.matchAll(form)) {
    const start = match.index + (match[1]?.length ?? 0);
    found.push({ name: match[3], comment: plain(match[1]), signature: blockFrom(text, start) });
  }
  return found;
}

/** To the end of the declaration: the brace that closes it, or its semicolon outside braces. */
function blockFrom(text, start) {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (text.startsWith("/*", at)) at = text.indexOf("*/", at) + 1;
    else if (char === "{" || char === "(" || char === "[") depth += 1;
    else if (char === "}" || char === ")" || char === "]") {
      depth -= 1;
      if (depth === 0 && char === "}" && /^\s*(\n|$)/.test(text.slice(at + 1, at + 3)))
        return text.slice(start, at + 1);
    } else if (char === ";" && depth === 0) return text.slice(start, at + 1);
  }
  return text.slice(start);
}

const plain = (comment) =>
  (comment ?? "")
    .replace(/^\s*\/\*\*|\*\/\s*$/g, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim();

/** What a module exports, following re-exports; the same name once. */
function exportsOf(file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file)) return [];
  seen.add(file);
  const text = readFileSync(file, "utf8");
  const next = (relative) => path.join(path.dirname(file), relative.replace(/\.(ts|js)$/, ".d.ts"));
  const all = declarationsIn(file);
  for (const [, given] of text.matchAll(/export (?:type )?\* from "(\.[^"]+)"/g))
    all.push(...exportsOf(next(given), seen));
  for (const [, names, given] of text.matchAll(/export (?:type )?\{([^}]*)\} from "(\.[^"]+)"/g)) {
    const wanted = new Set(names.split(",").map((name) => name.replace(/^\s*type /, "").trim()));
    all.push(...exportsOf(next(given), new Set()).filter(({ name }) => wanted.has(name)));
  }
  return all;
}

const pages = path.join(root, "docs", "api");
rmSync(pages, { recursive: true, force: true });
mkdirSync(pages, { recursive: true });
const rooms = globSync(["src/*/index.d.ts", "src/engine/*/index.d.ts", "client/index.d.ts"], { cwd: out }).sort();
const contents = [];
for (const room of rooms) {
  const name = path.dirname(room).replace(/^src\//, "");
  const promise = plain(
    /\/\*\*[\s\S]*?\*\//.exec(readFileSync(path.join(root, room.replace(".d.ts", ".ts")), "utf8"))?.[0],
  );
  const parts = exportsOf(path.join(out, room)).map(
    (one) => `## ${one.name}\n\n${one.comment ? `${one.comment}\n\n` : ""}\`\`\`ts\n${one.signature}\n\`\`\`\n`,
  );
  const page = `${name.replaceAll("/", "-")}.md`;
  writeFileSync(path.join(pages, page), `# ${name}\n\n${promise}\n\n${parts.join("\n")}`);
  contents.push(`- [${name}](${page}): ${parts.length} exports`);
}
writeFileSync(path.join(pages, "README.md"), `# Reference\n\n${contents.join("\n")}\n`);
rmSync(out, { recursive: true, force: true });
console.log(`docs/api: ${rooms.length} rooms`);
