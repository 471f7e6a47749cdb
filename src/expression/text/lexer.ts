/** Cuts the text form of an expression into tokens. */
import { fail, type MillpondError } from "../../base/index.ts";
import { limits } from "../tree.ts";

export type TokenKind = "number" | "duration" | "text" | "name" | "quotedName" | "symbol" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** As written; of texts and quoted names what the quotes hold. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const forms: readonly (readonly [TokenKind, RegExp])[] = [
  ["duration", /(?:\d+(?:us|ms|s|m|h|d|w|y))+(?![A-Za-z0-9_.])/y],
  ["number", /(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?![A-Za-z0-9_.])/y],
  ["name", /[A-Za-z_][A-Za-z0-9_]*/y],
  ["text", /'(?:[^']|'')*'/y],
  ["quotedName", /"(?:[^"]|"")*"/y],
  ["symbol", /<=|>=|<>|!=|==|[-+*/%=<>(),]/y],
];

/** @throws `expression_invalid`, `expression_too_large` */
export function tokensOf(source: string): Token[] {
  if (source.length > limits.characters) {
    throw fail("expression_too_large", { problem: `longer than ${limits.characters} characters` });
  }
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    while (at < source.length && " \t\r\n".includes(source[at]!)) at += 1;
    if (at === source.length) break;
    const token = tokenAt(source, at);
    tokens.push(token);
    at = token.end;
  }
  tokens.push({ kind: "end", text: "", start: at, end: at });
  return tokens;
}

function tokenAt(source: string, start: number): Token {
  for (const [kind, form] of forms) {
    form.lastIndex = start;
    const match = form.exec(source);
    if (match) {
      const [text] = match;
      return { kind, text: unquoted(text), start, end: start + text.length };
    }
  }
  const character = String.fromCodePoint(source.codePointAt(start)!);
  if (character === "'" || character === '"') {
    throw invalidAt(source, start, `a ${character} that is never closed`, `another ${character}`);
  }
  throw invalidAt(source, start, JSON.stringify(character), "a field, a value or an operator");
}

function unquoted(text: string): string {
  const quote = text[0]!;
  if (quote !== "'" && quote !== '"') return text;
  return text.slice(1, -1).replaceAll(quote + quote, quote);
}

export interface Place {
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
}

export function placeOf(source: string, offset: number): Place {
  const before = source.slice(0, offset).split("\n");
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

export const placeText = ({ line, column }: Place): string => `line ${line}, column ${column}`;

/** The error of a text that cannot be read, with the line and a caret below the place in its details. */
export function invalidAt(source: string, offset: number, found: string, expected: string): MillpondError {
  const { line, column } = placeOf(source, offset);
  const whole = source.split("\n")[line - 1]!.replaceAll("\t", " ");
  const from = Math.max(0, column - 40);
  const excerpt = `${whole.slice(from, from + 80)}\n${" ".repeat(column - 1 - from)}^`;
  return fail("expression_invalid", {
    where: placeText({ line, column }),
    found,
    expected,
    line,
    column,
    offset,
    excerpt,
  });
}
