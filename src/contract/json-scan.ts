/**
 * Measures JSON text before it is parsed: where a value ends, how deep it nests, how many members its objects have,
 * whether a number in it would lose digits. One loop, no recursion, so that no text can exhaust the stack. It finds
 * brackets that do not match; whether the rest is JSON is the parser's judgement.
 */
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What the last scanned value was like. */
export class JsonScanner {
  readonly #text: string;
  readonly #units: Uint16Array;
  /** Levels of lists and objects; 0 for a plain value. */
  depth = 0;
  /** Members of all its objects together. */
  members = 0;
  /** Some whole number in it is beyond ±(2^53 − 1). */
  unsafe = false;
  /** Some other number in it has so many digits that a double might round it. */
  long = false;
  #open = new Uint8Array(64);

  constructor(text: string) {
    this.#text = text;
    this.#units = codeUnits(text);
  }

  /** The first place from `from` that is not white space, at most `to`. */
  skipSpace(from: number, to: number): number {
    let at = from;
    while (at < to && isSpace(this.#units[at]!)) at += 1;
    return at;
  }

  /**
   * Scans the value that starts at `from` and gives the place behind it; a negative number where its brackets or
   * quotes do not match: the place of the fault is then `-1 - result`.
   */
  scan(from: number, to: number): number {
    const units = this.#units;
    this.depth = 0;
    this.members = 0;
    this.unsafe = false;
    this.long = false;
    let level = 0;
    let at = from;
    while (at < to) {
      const unit = units[at]!;
      if (unit === QUOTE) {
        at = this.#skipString(at, to);
        if (at < 0) return at;
        if (level === 0) return at;
      } else if ((unit >= ZERO && unit <= NINE) || unit === MINUS) {
        at = this.#skipNumber(at, to);
      } else if (unit === COLON) {
        this.members += 1;
        at += 1;
      } else if (unit === OPEN_OBJECT || unit === OPEN_LIST) {
        if (level === this.#open.length) this.#grow();
        this.#open[level++] = unit + 2;
        if (level > this.depth) this.depth = level;
        at += 1;
      } else if (unit === CLOSE_OBJECT || unit === CLOSE_LIST) {
        if (level === 0) return at;
        if (this.#open[--level] !== unit) return -1 - at;
        at += 1;
        if (level === 0) return at;
      } else if (level === 0 && (unit === COMMA || isSpace(unit))) {
        return at;
      } else {
        at += 1;
      }
    }
    return level === 0 ? at : -1 - to;
  }

  #skipString(from: number, to: number): number {
    const units = this.#units;
    let at = from + 1;
    // Most strings are short; a search by the runtime pays only for long ones.
    for (const near = Math.min(to, at + 48); at < near; at++) {
      const unit = units[at]!;
      if (unit === QUOTE) return at + 1;
      if (unit === BACKSLASH) at += 1;
    }
    while (at < to) {
      const quote = this.#text.indexOf('"', at);
      if (quote < 0 || quote >= to) break;
      let escapes = 0;
      while (quote - 1 - escapes >= at && units[quote - 1 - escapes]! === BACKSLASH) escapes += 1;
      if (escapes % 2 === 0) return quote + 1;
      at = quote + 1;
    }
    return -1 - to;
  }

  #skipNumber(from: number, to: number): number {
    const units = this.#units;
    let at = from + 1;
    while (at < to && isNumberPart(units[at]!)) at += 1;
    if (at - from < 16) return at;
    let whole = 0;
    for (let digit = units[from]! === MINUS ? from + 1 : from; digit < at; digit++) {
      const unit = units[digit]!;
      if (unit < ZERO || unit > NINE) {
        this.long = true;
        return at;
      }
      whole = whole * 10 + (unit - ZERO);
    }
    if (whole > Number.MAX_SAFE_INTEGER) this.unsafe = true;
    return at;
  }

  #grow(): void {
    const wider = new Uint8Array(this.#open.length * 2);
    wider.set(this.#open);
    this.#open = wider;
  }
}

/** The text as an array: reading a character of a string costs several times as much as reading a number of it. */
function codeUnits(text: string): Uint16Array {
  const bytes = Buffer.allocUnsafeSlow(text.length * 2);
  bytes.write(text, "utf16le");
  return new Uint16Array(bytes.buffer, 0, text.length);
}

export const isSpace = (unit: number): boolean => unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;

/** A digit, or one of `+ - . e E`. */
const isNumberPart = (unit: number): boolean =>
  (unit >= ZERO && unit <= NINE) || unit === 0x2e || unit === MINUS || unit === 0x2b || unit === 0x45 || unit === 0x65;

/** The name that stands twice in one object of a JSON value that parses, or undefined. */
export function duplicateName(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  const string = /"(?:[^"\\]|\\.)*"\s*:?/y;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === OPEN_OBJECT) open.push(new Set());
    else if (unit === OPEN_LIST) open.push(undefined);
    else if (unit === CLOSE_OBJECT || unit === CLOSE_LIST) open.pop();
    else if (unit === QUOTE) {
      string.lastIndex = at;
      const found = string.exec(text)![0];
      at += found.length - 1;
      if (!found.endsWith(":")) continue;
      const name = JSON.parse(found.slice(0, found.lastIndexOf('"') + 1)) as string;
      if (open.at(-1)!.has(name)) return name;
      open.at(-1)!.add(name);
    }
  }
  return undefined;
}
