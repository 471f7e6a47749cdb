/** The options every command knows, and how options are read. */
import path from "node:path";
import { fail, type MillpondError, parseInstant } from "../base/index.ts";

export interface GlobalOptions {
  /** Absolute. */
  readonly folder: string;
  readonly url?: string;
  readonly tokenFile?: string;
  /** A module whose default export is a pool; absent: the market pool. */
  readonly pool?: string;
  readonly json: boolean;
}

export function globalOptions(given: Readonly<Record<string, unknown>>): GlobalOptions {
  const { folder, url, tokenFile, pool, json } = given as Partial<GlobalOptions>;
  return {
    folder: path.resolve(folder ?? ".millpond"),
    json: json === true,
    ...(url !== undefined && { url: url.replace(/\/+$/, "") }),
    ...(tokenFile !== undefined && { tokenFile }),
    ...(pool !== undefined && { pool }),
  };
}

export const usage = (problem: string): MillpondError => fail("usage_invalid", { problem });

/** A parser for whole numbers within bounds. */
export const whole =
  (name: string, least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw usage(`${name} must be a whole number from ${least} to ${most === Number.MAX_SAFE_INTEGER ? "any" : most}`);
    }
    return value;
  };

export const port = (name: string) => whole(name, 0, 65_535);

/** RFC 3339, or microseconds since 1970. */
export function instantOption(text: string): number {
  const value = /^-?\d{10,17}$/.test(text) ? Number(text) : parseInstant(text);
  if (value === undefined) throw usage(`'${text}' is not an instant; write it like 2026-11-20T10:31:00Z`);
  return value;
}

/** For options that may be given several times. */
export const gathered = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** Parts between commas that stand outside of parentheses and quotes. */
export function listOption(text: string): string[] {
  const parts = [""];
  let depth = 0;
  let quoted = false;
  for (const character of text) {
    if (character === "'") quoted = !quoted;
    else if (!quoted && character === "(") depth += 1;
    else if (!quoted && character === ")") depth -= 1;
    if (character === "," && depth <= 0 && !quoted) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}
