/**
 * The pages of the documentation as data: their text, their fenced blocks with what the fence says of them, their links.
 *
 * What may stand behind the language of a fence:
 * - `file=NAME`: the block is a file of that name in the page's folder
 * - `run`: the block is run there, `ts` by Node, `sh` by the shell; `exit=N` where it ends with another code than 0
 * - `serve`: the block is one `millpond start …`, which runs until the page ends
 * - `output`: what the block before must have printed; `…` stands for anything, alone on a line for any lines
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Block {
  readonly language: string;
  readonly words: readonly string[];
  readonly text: string;
  /** Line of the fence, from 1. */
  readonly line: number;
}

export interface Page {
  /** From the root of the repository. */
  readonly name: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

/** The value of `name=…` behind the language. */
export function settingOf({ words }: Block, name: string): string | undefined {
  return words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}

export const isMarked = (block: Block, word: string): boolean => block.words.includes(word);

/** Every page of the root and of `docs/`, in order of names. */
export function readPages(): readonly Page[] {
  const names = ["", "docs", "docs/protocol", "docs/decisions"].flatMap((folder) =>
    readdirSync(path.join(root, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => path.posix.join(folder, name)),
  );
  return names.sort().map((name) => {
    const text = readFileSync(path.join(root, name), "utf8");
    return { name, text, blocks: blocksOf(text) };
  });
}

const FENCE = /^```(\S*)[ \t]*(.*)$/;

export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { language: string; words: string[]; line: number; lines: string[] } | undefined;
  text.split("\n").forEach((content, index) => {
    const fence = FENCE.exec(content);
    if (open === undefined) {
      if (fence === null) return;
      const words = fence[2]!.split(/\s+/).filter((word) => word !== "");
      open = { language: fence[1]!, words, line: index + 1, lines: [] };
    } else if (content.startsWith("```")) {
      const { lines, ...block } = open;
      blocks.push({ ...block, text: lines.join("\n") });
      open = undefined;
    } else open.lines.push(content);
  });
  return blocks;
}

/** The page without its fenced blocks, with as many lines. */
export function proseOf({ text }: Page): string {
  let inside = false;
  return text
    .split("\n")
    .map((line) => {
      if (!line.startsWith("```")) return inside ? "" : line;
      inside = !inside;
      return "";
    })
    .join("\n");
}

export const lineAt = (text: string, index: number): number => text.slice(0, index).split("\n").length;

/** The anchor a heading gets. */
export function anchorsOf(page: Page): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading] of proseOf(page).matchAll(/^#+ +(.+)$/gm)) {
    const plain = heading!.toLowerCase().replace(/[`*]/g, "").trim();
    anchors.add(plain.replace(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-"));
  }
  return anchors;
}
