/** What an ack tells of rows that were not accepted: counts by reason and a few places, never values. */
import type { Admission } from "../../gate/index.ts";
import type { Ack } from "./messages.ts";

const SAMPLE = 10;

export function rejectionsOf({ rejections }: Admission): Ack["rejections"] {
  if (rejections.length === 0) return undefined;
  const codes: Record<string, number> = {};
  for (const { code } of rejections) codes[code] = (codes[code] ?? 0) + 1;
  return {
    codes,
    sample: rejections.slice(0, SAMPLE).map(({ place, outcome, code }) => ({ place, outcome, code })),
  };
}
