/**
 * Reads hostile text as rows: every row is measured (depth, bytes, members) before anything recursive sees it, and a
 * text means here what it means to every other parser: a name twice in one object is refused, and a number that a
 * double would change keeps its digits until a field says what it is.
 */
import { type ErrorCode, type ErrorDetails, fail } from "../base/index.ts";
import { ROW_BYTES } from "./decoder.ts";
import { exactDigits, parseExactly } from "./exact.ts";
import { jsonFault } from "./json-fault.ts";
import { duplicateName, JsonScanner } from "./json-scan.ts";
import { DEEPEST } from "./json-value.ts";
import { utf8Length } from "./text-checks.ts";
import { type RefusedRow, refusedRow } from "./verdicts.ts";

export interface JsonLimits {
  /** Most rows of one text; default 100,000. */
  readonly rows?: number;
  /** Most bytes of one row's text in UTF-8; default 65,536. */
  readonly rowBytes?: number;
  /** Most levels of one row, its own object being the first; default and most 64. */
  readonly depth?: number;
  /** Most members of all objects of one row together; default 1,000. */
  readonly members?: number;
  /**
   * Whether fractions of more than 15 digits keep them, which only decimal fields need and which costs time; default
   * false: a decimal field then refuses such a number. Whole numbers beyond ±(2^53 − 1) always keep their digits.
   */
  readonly decimals?: boolean;
}

/** A row that could not be read, with its text as received. */
export interface UnreadableRow extends RefusedRow {
  readonly raw: string;
}

export interface JsonRows {
  /** How many rows there were, readable or not. */
  readonly received: number;
  readonly rows: readonly unknown[];
  /** The received place of each of `rows`, ascending. */
  readonly places: Uint32Array;
  /** Ascending by place. */
  readonly unreadable: readonly UnreadableRow[];
  /** The text of a received row. */
  rawOf(place: number): string;
}

/**
 * Reads a JSON array of rows, or one row a line. A broken array fails whole; a broken line loses itself only. Lines
 * of white space are not rows. Rows beyond a limit are measured only, not read any further.
 * @throws `json_invalid` with the place of the fault, `batch_too_large`
 */
export function parseJsonRows(text: string, limits: JsonLimits = {}): JsonRows {
  const reader = new RowTexts(text, limits);
  const start = reader.scanner.skipSpace(text.startsWith("\ufeff") ? 1 : 0, text.length);
  if (text[start] === "[") reader.readArray(start);
  else reader.readLines(start);
  return reader.result();
}

const CLEAN = 0;
const EXACT = 1;
const UNREADABLE = 2;

class RowTexts {
  readonly scanner: JsonScanner;
  readonly #text: string;
  readonly #limits: Required<JsonLimits>;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #members: number[] = [];
  readonly #nested: boolean[] = [];
  readonly #states: number[] = [];
  readonly #unreadable: UnreadableRow[] = [];
  #rows: unknown[] = [];

  constructor(text: string, given: JsonLimits) {
    const { rows = 100_000, rowBytes = ROW_BYTES, depth = DEEPEST, members = 1_000, decimals = false } = given;
    this.#text = text;
    this.scanner = new JsonScanner(text);
    this.#limits = { rows, rowBytes, depth: Math.min(depth, DEEPEST), members, decimals };
  }

  readArray(open: number): void {
    const { scanner } = this;
    const text = this.#text;
    const to = text.length;
    let at = scanner.skipSpace(open + 1, to);
    let clean = true;
    while (text[at] !== "]") {
      const end = scanner.scan(at, to);
      if (end < 0 || end === at) throw this.#invalid(open, to);
      clean = this.#measured(at, end) === CLEAN && clean;
      at = scanner.skipSpace(end, to);
      if (text[at] === "]") break;
      if (text[at] !== ",") throw this.#invalid(open, to);
      at = scanner.skipSpace(at + 1, to);
      if (text[at] === "]") throw this.#invalid(open, to);
    }
    if (scanner.skipSpace(at + 1, to) !== to) throw this.#invalid(open, to);
    this.#parseAll(open, clean);
  }

  readLines(start: number): void {
    const text = this.#text;
    for (let at = start; at < text.length; ) {
      const newline = text.indexOf("\n", at);
      const to = newline < 0 ? text.length : newline;
      const from = this.scanner.skipSpace(at, to);
      if (from < to) this.#readLine(from, to);
      at = to + 1;
    }
  }

  #readLine(from: number, lineEnd: number): void {
    const { scanner } = this;
    let to = lineEnd;
    while (scanner.skipSpace(to - 1, to) === to) to -= 1;
    if (to - from > this.#limits.rowBytes) {
      this.#unread(this.#add(from, to, UNREADABLE), "row_too_large", { limitBytes: this.#limits.rowBytes });
      return;
    }
    const end = scanner.scan(from, to);
    if (end !== to) {
      const place = this.#add(from, to, UNREADABLE);
      this.#unread(place, "row_not_json", { position: (jsonFault(this.#text, from, to) ?? from) - from });
      return;
    }
    if (this.#measured(from, to) === UNREADABLE) return;
    const place = this.#starts.length - 1;
    try {
      this.#take(place, this.#parse(place));
    } catch {
      this.#unread(place, "row_not_json", { position: (jsonFault(this.#text, from, to) ?? from) - from });
    }
  }

  result(): JsonRows {
    const received = this.#starts.length;
    const places = new Uint32Array(this.#rows.length);
    let next = 0;
    for (let place = 0; place < received; place++) if (this.#states[place] !== UNREADABLE) places[next++] = place;
    return {
      received,
      rows: this.#rows,
      places,
      unreadable: this.#unreadable.sort((left, right) => left.place - right.place),
      rawOf: (place) => this.#raw(place),
    };
  }

  /** Notes the row just scanned, and gives its state. */
  #measured(from: number, to: number): number {
    const { depth, members, unsafe, long } = this.scanner;
    const limits = this.#limits;
    const exact = unsafe || (long && limits.decimals);
    const place = this.#add(from, to, exact ? EXACT : CLEAN);
    if (depth > limits.depth) this.#unread(place, "row_too_deep", { limit: limits.depth });
    else if (this.#isTooLarge(from, to)) this.#unread(place, "row_too_large", { limitBytes: limits.rowBytes });
    else if (members > limits.members) this.#unread(place, "row_too_many_fields", { limit: limits.members });
    return this.#states[place]!;
  }
  #isTooLarge(from: number, to: number): boolean {
    const { rowBytes } = this.#limits;
    const units = to - from;
    return units * 3 > rowBytes && (units > rowBytes || utf8Length(this.#text.slice(from, to)) > rowBytes);
  }
  #add(from: number, to: number, state: number): number {
    const { rows } = this.#limits;
    if (this.#starts.length === rows) throw fail("batch_too_large", { rows: `more than ${rows}`, limit: rows });
    this.#starts.push(from);
    this.#ends.push(to);
    this.#members.push(this.scanner.members);
    this.#nested.push(this.scanner.depth > 1);
    return this.#states.push(state) - 1;
  }
  #unread(place: number, code: ErrorCode, details: ErrorDetails, field?: string): void {
    this.#states[place] = UNREADABLE;
    this.#unreadable.push({ ...refusedRow(place, code, details, field), raw: this.#raw(place) });
  }
  #raw(place: number): string {
    return this.#text.slice(this.#starts[place], this.#ends[place]);
  }

  #parseAll(open: number, clean: boolean): void {
    const parsed = clean ? this.#parseWhole(open) : undefined;
    for (let place = 0; place < this.#starts.length; place++) {
      if (this.#states[place] === UNREADABLE) continue;
      this.#take(place, parsed === undefined ? this.#parseElement(place) : parsed[place]);
    }
  }
  #parseWhole(open: number): readonly unknown[] {
    try {
      return JSON.parse(open === 0 ? this.#text : this.#text.slice(open)) as readonly unknown[];
    } catch {
      throw this.#invalid(open, this.#text.length);
    }
  }
  #parseElement(place: number): unknown {
    try {
      return this.#parse(place);
    } catch {
      throw this.#invalid(this.#starts[place]!, this.#ends[place]!);
    }
  }
  #parse(place: number): unknown {
    return this.#states[place] === EXACT ? parseExactly(this.#raw(place)) : JSON.parse(this.#raw(place));
  }

  /** A parser keeps one of two members of the same name: then there are fewer than the text has. */
  #take(place: number, row: unknown): void {
    const members = this.#nested[place] ? countMembers(row) : ownMembers(row);
    if (members === this.#members[place]) {
      this.#rows.push(row);
      return;
    }
    const name = duplicateName(this.#raw(place)) ?? "";
    this.#unread(place, "field_duplicate", {}, name.slice(0, 64).toWellFormed());
  }

  #invalid(from: number, to: number) {
    return fail("json_invalid", { position: jsonFault(this.#text, from, to) ?? from });
  }
}

const ownMembers = (value: unknown): number =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value).length : 0;

/** Depth was measured before: at most 64 calls deep. */
function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null || exactDigits(value) !== undefined) return 0;
  let count = ownMembers(value);
  for (const part of Object.values(value)) if (typeof part === "object") count += countMembers(part);
  return count;
}
