/**
 * Numbers that a double would change: they travel as the runtime's raw JSON, which keeps the digits of the text and
 * writes them again unchanged. Only `parseJsonRows` makes them, only the row decoder reads them.
 */
interface RawJson {
  readonly rawJSON: string;
}
interface JsonWithRaw {
  rawJSON(text: string): RawJson;
  isRawJSON(value: unknown): value is RawJson;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
}
const rawAware = JSON as unknown as JsonWithRaw;

/** The digits of a number as they stood in the text, or undefined where the value is anything else. */
export function exactDigits(value: unknown): string | undefined {
  return rawAware.isRawJSON(value) ? value.rawJSON : undefined;
}

/**
 * `JSON.parse` that keeps every number exact inside of lists and objects: those a double would change become raw
 * JSON. A text that is but one number gives a plain one.
 */
export function parseExactly(text: string): unknown {
  const parsed = rawAware.parse(text, (_, value, { source }) =>
    typeof value === "number" && source !== undefined && losesDigits(source) ? rawAware.rawJSON(source) : value,
  );
  const digits = exactDigits(parsed);
  return digits === undefined ? parsed : Number(digits);
}

/**
 * Whether a double might not hold a JSON number exactly: whole numbers beyond ±(2^53 − 1), others of more than 15
 * significant digits. Never true of a number that is too large for any double: that one is no number at all.
 */
function losesDigits(literal: string): boolean {
  if (literal.length < 16 || !Number.isFinite(Number(literal))) return false;
  if (/^-?\d+$/.test(literal)) return !Number.isSafeInteger(Number(literal));
  return significantDigits(literal) > 15;
}

export function significantDigits(literal: string): number {
  const mantissa = literal.replace(/[eE].*$/, "").replace(/[-.]/g, "");
  return mantissa.replace(/^0+/, "").replace(/0+$/, "").length;
}

/** A JSON number without exponent, as decimals are read; undefined where that takes more than 80 digits. */
export function withoutExponent(literal: string): string | undefined {
  const match = /^(-?)(\d+)(?:\.(\d+))?[eE]([+-]?\d{1,4})$/.exec(literal);
  if (match === null) return /[eE]/.test(literal) ? undefined : literal;
  const [, sign, whole, fraction = "", exponent] = match;
  const digits = whole! + fraction;
  const point = whole!.length + Number(exponent);
  if (Math.abs(point) > 80 || digits.length > 80) return undefined;
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits.padEnd(point, "0");
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}
