/**
 * Time as a value that is passed in. The core never asks the machine for the time itself: it asks the clock it was
 * given, so that a whole pool can run under a simulated one.
 */

/** Microseconds since 1970-01-01T00:00:00Z, an integer within ±2^53 (years 1684 to 2255). */
export type Instant = number;

export interface Clock {
  /** Wall-clock time. It may jump either way; whatever must be ordered uses positions instead. */
  now(): Instant;
  /** Milliseconds from an arbitrary start, never backward: for measuring and for time-outs. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
  monotonicMs: () => performance.now(),
};

/** RFC 3339 with as many fractional digits as the instant needs (3 or 6). */
export function formatInstant(instant: Instant): string {
  const millis = Math.floor(instant / 1000);
  const micros = instant - millis * 1000;
  const text = new Date(millis).toISOString();
  return micros === 0 ? text : `${text.slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}

const INSTANT_FORM = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|z|[+-]\d\d:?\d\d)?)?$/;

/** Reads RFC 3339 (a missing zone means UTC). Returns undefined for anything else, also for dates that do not exist. */
export function parseInstant(text: string): Instant | undefined {
  const match = INSTANT_FORM.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", zone = "Z"] = match;
  const millis = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const back = new Date(millis);
  const exists = back.getUTCDate() === Number(day) && back.getUTCMonth() + 1 === Number(month);
  if (!exists || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const micros = Number(fraction.padEnd(6, "0").slice(0, 6));
  return millis * 1000 + micros - zoneOffsetMicros(zone);
}

function zoneOffsetMicros(zone: string): number {
  if (zone === "Z" || zone === "z") return 0;
  const digits = zone.slice(1).replace(":", "");
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (zone.startsWith("-") ? -1 : 1) * minutes * 60_000_000;
}
