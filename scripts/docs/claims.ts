/** What pages say of the code, held against it: links, error codes, commands with their options, HTTP paths. */
import { existsSync, globSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { errorTable } from "../../src/base/index.ts";
import { createTokenAuthenticator, openPool, openTokens } from "../../src/pool/index.ts";
import { anchorsOf, lineAt, type Page, proseOf, root } from "./pages.ts";

export type Finding = string;

const findingsIn = (page: Page, text: string, form: RegExp, judge: (match: RegExpExecArray) => string | undefined) =>
  Array.from(text.matchAll(form)).flatMap((match): Finding[] => {
    const problem = judge(match);
    return problem === undefined ? [] : [`${page.name}:${lineAt(text, match.index)}: ${problem}`];
  });

/** Links to files of the repository, and to headings in them. */
export function deadLinks(pages: readonly Page[]): Finding[] {
  const byName = new Map(pages.map((page) => [page.name, page]));
  return pages.flatMap((page) =>
    findingsIn(page, proseOf(page), /\]\(([^)\s]+)\)/g, ([, target]) => {
      if (/^[a-z]+:/.test(target!)) return undefined;
      const [file, anchor] = target!.split("#");
      const name = file === "" ? page.name : path.posix.join(path.posix.dirname(page.name), file!);
      if (name.startsWith("..") || !existsSync(path.join(root, name))) return `there is no '${target}'`;
      const known = byName.get(name);
      if (anchor === undefined || known === undefined || anchorsOf(known).has(anchor)) return undefined;
      return `'${name}' has no heading '#${anchor}'`;
    }),
  );
}

/** Names that begin like a code and are none. */
const NO_CODES: ReadonlySet<string> = new Set(["view_rebuilt", "value_type", "read_failed"]);
const PREFIXES = new Set(Object.keys(errorTable).map((code) => code.split("_")[0]!));
/** Words that datasets, fields and rules begin with as well. */
for (const common of ["row", "session", "batch", "time", "price"]) PREFIXES.delete(common);

/** Where a code stands: `error code:` as the command line says it, `"code":"…"`, and names that begin like one. */
export function unknownCodes(pages: readonly Page[]): Finding[] {
  const isKnown = (code: string): boolean => Object.hasOwn(errorTable, code);
  const said = /(?:^error |"code": ?"|code: ?"|code === ")([a-z]+(?:_[a-z]+)*)/gm;
  return pages.flatMap((page) => [
    ...findingsIn(page, page.text, said, ([, code]) => (isKnown(code!) ? undefined : `there is no error '${code}'`)),
    ...findingsIn(page, proseOf(page), /`([a-z]+(?:_[a-z]+)+)`/g, ([, name]) => {
      const looksLike = PREFIXES.has(name!.split("_")[0]!) && !NO_CODES.has(name!);
      return !looksLike || isKnown(name!) ? undefined : `there is no error '${name}'`;
    }),
  ]);
}

/** The commands as they are declared, with all they take. */
export async function declaredCommands(): Promise<Command> {
  const program = new Command("millpond");
  for (const file of globSync("src/cli/commands/*.ts", { cwd: root }).sort()) {
    if (file.endsWith(".test.ts")) continue;
    const module = (await import(pathToFileURL(path.join(root, file)).href)) as Record<string, unknown>;
    for (const [name, add] of Object.entries(module)) {
      if (/^add[A-Z]/.test(name) && typeof add === "function") (add as (to: Command) => void)(program);
    }
  }
  return program;
}

const GLOBAL = ["--folder", "--url", "--token-file", "--pool", "--json", "--help", "--version"];

/** `millpond …` wherever it stands as code: in backticks, or at the start of a line of a block for the shell. */
export function unknownCommands(pages: readonly Page[], program: Command): Finding[] {
  const form = /(?:`|^(?:\$ |npx )?|\()(?:npx )?millpond ((?:[a-z][^`|\n]*|--[^`|\n]*))/gm;
  return pages.flatMap((page) => {
    const shell = page.blocks
      .filter(({ language }) => language === "sh")
      .map(({ text }) => text.replaceAll("\\\n", " "));
    return [proseOf(page), ...shell].flatMap((text, index) =>
      findingsIn(page, text, index === 0 ? /`(?:npx )?millpond ([^`]+)`/g : form, ([, given]) =>
        commandProblem(given!, program),
      ),
    );
  });
}

function commandProblem(given: string, program: Command): string | undefined {
  // What stands in quotes is the user's.
  const words = given.replace(/"[^"]*"|'[^']*'/g, "…").split(/\s+/);
  let command = program;
  for (const word of words) {
    const sub = command.commands.find((each) => each.name() === word);
    if (sub !== undefined && command.commands.length > 0) command = sub;
    else if (command.commands.length > 0 && /^[a-z]+$/.test(word)) return `there is no command 'millpond ${given}'`;
    else break;
  }
  const known = [...GLOBAL, ...command.options.map(({ long }) => long)];
  const option = words.find((word) => /^--[a-z]/.test(word) && !known.includes(word.split("=")[0]!));
  return option === undefined ? undefined : `'${command.name()}' has no option '${option}'`;
}

/** Paths of a served pool, as `/v1/datasets/*` forms. */
export async function servedPaths(): Promise<readonly RegExp[]> {
  const folder = await mkdtemp(path.join(tmpdir(), "millpond-docs-"));
  const { market } = await import("../../pools/market/index.ts");
  const pool = await openPool(market, { folder });
  try {
    const { createEnvironment } = await import("../../src/base/index.ts");
    const authenticator = createTokenAuthenticator(openTokens(folder, createEnvironment()));
    const { url } = await pool.listen({ authenticator, port: 0 });
    const { paths } = (await (await fetch(`${url}/v1/openapi.json`)).json()) as { paths: Record<string, unknown> };
    // The socket and the page are no operations of the document.
    return [...Object.keys(paths), "/v1/stream", "/docs"].map(patternOf);
  } finally {
    await pool.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const patternOf = (route: string): RegExp =>
  new RegExp(
    `^${route
      .split("/")
      .map((part) => (part === "*" || part === "{*}" ? ".+" : part.startsWith("{") ? "[^/]+" : RegExp.escape(part)))
      .join("/")}$`,
  );

export function unknownPaths(pages: readonly Page[], known: readonly RegExp[]): Finding[] {
  const form = /(?:[` ("]|127\.0\.0\.1:8000)(\/(?:v1\/|health\/|metrics\b|docs\b)[^\s`"'?)|]*)/g;
  return pages.flatMap((page) =>
    findingsIn(page, page.text, form, ([, given]) => {
      const route = given!.replace(/[.,:;]+$/, "");
      return known.some((pattern) => pattern.test(route)) ? undefined : `nothing is served at '${route}'`;
    }),
  );
}
