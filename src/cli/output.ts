/**
 * What commands print. Everything a person reads goes through here, so that `--json` gives the same facts to programs:
 * one JSON value for a result, one a line for a stream. Values from data are printed with control characters shown, so
 * that no stored text can speak to a terminal.
 */
import process from "node:process";

export interface Output {
  readonly json: boolean;
  /** A result: as JSON, or as what `text` makes of it. */
  result(value: unknown, text: () => string): void;
  /** One element of a stream. */
  element(value: unknown, text: () => string): void;
  /** A remark for people only; goes to standard error. */
  note(text: string): void;
}

export function createOutput(json: boolean): Output {
  const write = (value: unknown, text: () => string): void => {
    process.stdout.write(`${json ? JSON.stringify(value) : text()}\n`);
  };
  return {
    json,
    result: write,
    element: write,
    note: (text) => {
      if (!json) process.stderr.write(`${text}\n`);
    },
  };
}

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | undefined | null;
  readonly right?: boolean;
}

/** Rows under titles, columns as wide as their widest cell, numbers to the right. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], empty = "nothing to show"): string {
  if (rows.length === 0) return empty;
  const cells = rows.map((row) => columns.map(({ value }) => shown(value(row))));
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...cells.map((line) => line[index]!.length)));
  const line = (parts: readonly string[]): string =>
    parts
      .map((part, index) => (columns[index]!.right ? part.padStart(widths[index]!) : part.padEnd(widths[index]!)))
      .join("  ")
      .trimEnd();
  return [
    line(columns.map(({ title }) => title)),
    line(widths.map((width) => "─".repeat(width))),
    ...cells.map(line),
  ].join("\n");
}

/** Names and values below each other. */
export function facts(pairs: readonly (readonly [string, string | number | undefined | null])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${shown(value)}`).join("\n");
}

export function shown(value: unknown): string {
  if (value === undefined || value === null) return "–";
  if (typeof value === "number") return Number.isInteger(value) ? value.toLocaleString("en") : String(value);
  if (typeof value === "string") return printable(value);
  return printable(JSON.stringify(value));
}

/** Control and direction-changing characters as visible escapes. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
