/** Durations as integer microseconds, written as `250ms`, `5s`, `1m`, `4h`, `7d` or a sum such as `1h30m`. */
import { fail } from "./errors.ts";

/** Microseconds, an integer. */
export type Duration = number;

const UNIT_MICROS: Record<string, number> = {
  us: 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
  w: 604_800_000_000,
  y: 31_536_000_000_000,
};

/** @throws `duration_invalid` where the text is not a duration. */
export function parseDuration(text: string): Duration {
  if (!/^(?:\d+(?:us|ms|s|m|h|d|w|y))+$/.test(text)) throw fail("duration_invalid", { text });
  let micros = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(us|ms|s|m|h|d|w|y)/g)) {
    micros += Number(amount) * UNIT_MICROS[unit!]!;
  }
  return micros;
}

/** The shortest exact form: `90000000` → `1m30s`. */
export function formatDuration(duration: Duration): string {
  let rest = Math.abs(duration);
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms", "us"]) {
    const size = UNIT_MICROS[unit]!;
    const amount = Math.floor(rest / size);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * size;
  }
  return (duration < 0 ? "-" : "") + (text || "0s");
}
