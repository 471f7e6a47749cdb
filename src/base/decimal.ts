/**
 * Exact decimal numbers: an integer count of units and a scale, never a float. On the wire and in stores a decimal is
 * its canonical text: no exponent, no leading plus, no trailing zeros after the point, `0` for any zero.
 */
import { fail } from "./errors.ts";

export interface Decimal {
  /** The value is `units / 10^scale`. */
  readonly units: bigint;
  /** 0 to 38. */
  readonly scale: number;
}

const DECIMAL_FORM = /^([+-]?)(\d{1,76})(?:\.(\d{1,38}))?$/;

/** @throws `decimal_invalid` for anything that is not a plain decimal number of at most 38 digits. */
export function parseDecimal(text: string): Decimal {
  const match = DECIMAL_FORM.exec(text);
  if (!match) throw fail("decimal_invalid", { length: text.length });
  const [, sign, whole, fraction = ""] = match;
  const kept = fraction.replace(/0+$/, "");
  const units = BigInt(whole! + kept);
  if (units >= 10n ** 38n) throw fail("decimal_invalid", { length: text.length });
  return { units: sign === "-" ? -units : units, scale: kept.length };
}

export function formatDecimal({ units, scale }: Decimal): string {
  const negative = units < 0n;
  const digits = (negative ? -units : units).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, "");
  const text = fraction ? `${whole}.${fraction}` : whole;
  return negative && text !== "0" ? `-${text}` : text;
}

export function addDecimal(left: Decimal, right: Decimal): Decimal {
  const scale = Math.max(left.scale, right.scale);
  return { units: rescale(left, scale) + rescale(right, scale), scale };
}

/** Negative, zero or positive, as for sorting. */
export function compareDecimal(left: Decimal, right: Decimal): number {
  const scale = Math.max(left.scale, right.scale);
  const difference = rescale(left, scale) - rescale(right, scale);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function rescale({ units, scale }: Decimal, to: number): bigint {
  return units * 10n ** BigInt(to - scale);
}
