/**
 * Local time of a source to UTC. A source that writes its wall clock without an offset leaves two questions a year,
 * answered here always in the same way, so that reading a file twice gives the same instants:
 *
 * - a local time that occurs twice (clocks go back) means the first occurrence;
 * - a local time that never occurs (clocks go forward) is read with the offset valid before the change, so it lands
 *   as far behind the change as it lies in the gap.
 */
import { fail, type Instant } from "../base/index.ts";

export interface Zone {
  /** As written by whoever declared it. */
  readonly name: string;
  /** Microseconds of a local wall clock, counted as if it were UTC, to an instant. */
  toInstant(localMicros: number): Instant;
  /** The local wall clock of an instant, counted as if it were UTC. */
  toLocal(instant: Instant): number;
}

const QUARTER_HOUR_MS = 900_000;
const DAY_MS = 86_400_000;
const CACHED_QUARTERS = 4_096;

/**
 * `UTC`, a fixed offset (`+02:00`), an IANA name (`Europe/Athens`), or an IANA name with a shift: many brokers keep
 * `America/New_York+07:00`, that is UTC+2 and +3 with the daylight rules of the United States.
 * @throws `time_zone_unknown`
 */
export function createZone(name: string): Zone {
  const match = /^(.*?)(?:([+-])(\d\d):(\d\d))?$/.exec(name)!;
  const [, place = "", sign, hours = "0", minutes = "0"] = match;
  const shiftMs = (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  if (Number(hours) > 14 || Number(minutes) > 59 || name.length > 64 || name === "") throw unknown(name);
  if (place === "" || place === "UTC" || place === "Z") return fixedZone(name, shiftMs);
  return namedZone(name, place, shiftMs);
}

const unknown = (zone: string) => fail("time_zone_unknown", { zone: zone.slice(0, 64) });

function fixedZone(name: string, offsetMs: number): Zone {
  const offsetMicros = offsetMs * 1000;
  return { name, toInstant: (local) => local - offsetMicros, toLocal: (instant) => instant + offsetMicros };
}

function namedZone(name: string, place: string, shiftMs: number): Zone {
  const offsetAt = placeOffset(name, place);
  const cached = new Map<number, number | null>();
  let quarter = Number.NaN;
  let quarterOffsetMs: number | null = null;

  const enter = (next: number): void => {
    let offset = cached.get(next);
    if (offset === undefined) {
      const first = localOffset(next * QUARTER_HOUR_MS, offsetAt);
      // Within a quarter of an hour that holds a change, each time is looked up by itself.
      offset = first === localOffset((next + 1) * QUARTER_HOUR_MS - 1, offsetAt) ? first : null;
      if (cached.size >= CACHED_QUARTERS) cached.clear();
      cached.set(next, offset);
    }
    quarter = next;
    quarterOffsetMs = offset;
  };
  return {
    name,
    toInstant(local) {
      const placeMs = Math.floor(local / 1000) - shiftMs;
      const wanted = Math.floor(placeMs / QUARTER_HOUR_MS);
      if (wanted !== quarter) enter(wanted);
      return local - (shiftMs + (quarterOffsetMs ?? localOffset(placeMs, offsetAt))) * 1000;
    },
    toLocal: (instant) => instant + (offsetAt(Math.floor(instant / 1000)) + shiftMs) * 1000,
  };
}

/** The offset to subtract from a local time, by the two rules above. */
function localOffset(localMs: number, offsetAt: (utcMs: number) => number): number {
  const before = offsetAt(localMs - DAY_MS);
  const after = offsetAt(localMs + DAY_MS);
  if (before === after || offsetAt(localMs - before) === before) return before;
  return offsetAt(localMs - after) === after ? after : before;
}

function placeOffset(name: string, place: string): (utcMs: number) => number {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: place,
      hourCycle: "h23",
      era: "short",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    throw unknown(name);
  }
  return (utcMs) => {
    const whole = Math.floor(utcMs / 1000) * 1000;
    const parts: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(whole)) parts[type] = Number(value);
    const local = Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
    return local - whole;
  };
}
