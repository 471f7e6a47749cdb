/**
 * What the operations do to single values in JavaScript: used by the interpreter and by generated code alike, so that
 * each is said once. None of these sees null.
 */
import { compareDecimal, parseDecimal } from "../base/index.ts";

/** Negative, zero or positive, by code point. UTF-16 order differs from it only where surrogates meet U+E000..FFFF. */
export function compareText(left: string, right: string): number {
  const shared = Math.min(left.length, right.length);
  for (let index = 0; index < shared; index++) {
    const one = left.charCodeAt(index);
    const two = right.charCodeAt(index);
    if (one !== two) return codePointRank(one) - codePointRank(two);
  }
  return left.length - right.length;
}

const codePointRank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);

export const compareDecimalText = (left: string, right: string): number =>
  compareDecimal(parseDecimal(left), parseDecimal(right));

/** Half away from zero at the given power of ten: `r(x × 10^digits) / 10^digits`, each step a double. */
export function roundAway(value: number, scale: number): number {
  const scaled = value * scale;
  const size = Math.abs(scaled);
  const whole = Math.floor(size);
  const rounded = size - whole >= 0.5 ? whole + 1 : whole;
  return (scaled < 0 ? -rounded : rounded) / scale;
}

export function codePointLength(text: string): number {
  let pairs = 0;
  for (let index = 0; index < text.length; index++) if ((text.charCodeAt(index) & 0xfc00) === 0xdc00) pairs += 1;
  return text.length - pairs;
}

export const lowerAscii = (text: string): string => text.replace(/[A-Z]+/g, (part) => part.toLowerCase());
export const upperAscii = (text: string): string => text.replace(/[a-z]+/g, (part) => part.toUpperCase());

/** The text up to the first occurrence of the separator; all of it where there is none. */
export function textBefore(text: string, separator: string): string {
  const at = text.indexOf(separator);
  return at < 0 ? text : text.slice(0, at);
}

/** What generated code may call, and nothing else. */
export const helpers = {
  compareText,
  compareDecimalText,
  roundAway,
  codePointLength,
  lowerAscii,
  upperAscii,
  textBefore,
};
export type Helpers = typeof helpers;
