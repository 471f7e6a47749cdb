/**
 * Times as files write them, compiled once per column. The result is microseconds of the local wall clock, as if it
 * were UTC; the zone makes an instant of them. NaN for text that is not such a time, or a date that does not exist.
 */
import { fail, parseInstant } from "../../base/index.ts";

/**
 * - `rfc3339` (a zone in the text wins over that of the layout), `epoch-s`, `epoch-ms`, `epoch-us`, `epoch-ns`,
 *   `ms-of-day` (fractions allowed; the date comes from the file name);
 * - or a pattern of `YYYY MM DD HH mm ss SSS` and `S` (any number of further digits); other characters stand for
 *   themselves; what stands in brackets at the end may be missing: `YYYY.MM.DD[ HH:mm:ss]`.
 */
export type TimeFormat = string;

export interface TimeReader {
  /** The text itself says its offset, or counts from the epoch. */
  readonly absolute: (text: string) => boolean;
  read(text: string): number;
}

const DAY_MICROS = 86_400_000_000;
const EPOCH_SCALE: Readonly<Record<string, number>> = { s: 1e6, ms: 1e3, us: 1, ns: 1e-3 };
const NUMBER_FORM = /^-?\d+(?:\.\d+)?$/;

/** @throws `import_layout_invalid` */
export function timeReader(layout: string, format: TimeFormat, midnight: () => number): TimeReader {
  if (format === "rfc3339")
    return {
      absolute: (text) => /(?:[Zz]|[+-]\d\d:?\d\d)$/.test(text) && text.length > 10,
      read: (text) => parseInstant(text) ?? Number.NaN,
    };
  const never = (): boolean => false;
  if (format === "ms-of-day") {
    return {
      absolute: never,
      read: (text) => {
        const micros = NUMBER_FORM.test(text) ? Math.round(Number(text) * 1000) : Number.NaN;
        return micros >= 0 && micros < DAY_MICROS ? midnight() + micros : Number.NaN;
      },
    };
  }
  if (format.startsWith("epoch-")) {
    const scale = EPOCH_SCALE[format.slice(6)];
    if (scale === undefined) throw fail("import_layout_invalid", { layout, problem: `no time format '${format}'` });
    return {
      absolute: never,
      read: (text) => (NUMBER_FORM.test(text) ? Math.round(Number(text) * scale) : Number.NaN),
    };
  }
  return { absolute: never, read: patternReader(layout, format) };
}

type Step = { readonly part: number; readonly digits: number } | { readonly literal: number } | "maybe";
const TOKENS: readonly (readonly [string, number, number])[] = [
  ["YYYY", 0, 4],
  ["MM", 1, 2],
  ["DD", 2, 2],
  ["HH", 3, 2],
  ["mm", 4, 2],
  ["ss", 5, 2],
  ["SSS", 6, 3],
  ["S", 7, 0],
];

function patternReader(layout: string, format: string): (text: string) => number {
  const steps = compile(format);
  const parts = steps.filter((step) => typeof step === "object" && "part" in step).length;
  if (parts < 3) throw fail("import_layout_invalid", { layout, problem: `no time format '${format}'` });
  const values = new Int32Array(8);
  return (text) => {
    values.fill(0);
    let at = 0;
    for (const step of steps) {
      if (step === "maybe") {
        if (at === text.length) break;
      } else if ("literal" in step) {
        if (text.charCodeAt(at++) !== step.literal) return Number.NaN;
      } else {
        const end = step.digits === 0 ? text.length : at + step.digits;
        const value = digits(text, at, end);
        if (value < 0) return Number.NaN;
        values[step.part] = step.part === 7 ? microsOf(value, end - at) : value;
        at = end;
      }
    }
    return at === text.length ? civilMicros(values) : Number.NaN;
  };
}

function compile(format: string): Step[] {
  const steps: Step[] = [];
  const plain = format.endsWith("]") ? format.slice(0, -1) : format;
  for (let at = 0; at < plain.length; ) {
    const token = TOKENS.find(([text]) => plain.startsWith(text, at));
    if (token) steps.push({ part: token[1], digits: token[2] });
    else if (plain[at] === "[") steps.push("maybe");
    else steps.push({ literal: plain.charCodeAt(at) });
    at += token ? token[0].length : 1;
  }
  return steps;
}

function digits(text: string, from: number, to: number): number {
  if (to > text.length || to - from > 9 || to <= from) return -1;
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

const microsOf = (value: number, count: number): number => Math.floor(value * 10 ** (6 - count));

function civilMicros(values: Int32Array): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millis = 0, micros = 0] = values;
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return Number.NaN;
  if (day > 28 && day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return Number.NaN;
  // Days since the epoch in the proleptic Gregorian calendar, with years that begin in March.
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  const days = era * 146_097 + dayOfEra - 719_468;
  return days * DAY_MICROS + ((hour * 60 + minute) * 60 + second) * 1e6 + millis * 1000 + micros;
}
