/** Keeps the rows a batch turned away: one change of `_quarantine`, and the rejections the sender is told. */
import type { Change } from "../log/index.ts";
import type { Received } from "./incoming.ts";
import type { GateParts } from "./parts.ts";
import { type KeptRow, quarantineChange, quarantineIds, rawChange } from "./quarantine.ts";
import { RawBudget } from "./raw.ts";
import type { Rejection, Submission } from "./types.ts";
import type { TurnedRow } from "./verdict.ts";

export const MOST_REJECTIONS = 1_000;

export interface Kept {
  readonly change: Change | undefined;
  readonly rejections: readonly Rejection[];
}

const nothing: Kept = { change: undefined, rejections: [] };

/** Duplicates are not kept: an equal row is stored. */
export function keepTurnedAway(
  { sources, environment }: Pick<GateParts, "sources" | "environment">,
  { dataset, feed, session, batch }: Submission,
  contract: number,
  received: Received,
  turnedAway: readonly TurnedRow[],
): Kept {
  if (turnedAway.length === 0) return nothing;
  const idOf = quarantineIds(feed, session, batch);
  const budget = new RawBudget();
  const rows: KeptRow[] = [];
  const rejections: Rejection[] = [];
  for (const row of turnedAway) {
    const { place, outcome, code, message, field = null, rule = null } = row;
    const isKept = outcome !== "duplicate";
    if (rejections.length < MOST_REJECTIONS) rejections.push(isKept ? { ...row, quarantineId: idOf(place) } : row);
    if (!isKept) continue;
    const { raw, cut } = received.rawOf(place, budget);
    rows.push({ id: idOf(place), place, outcome, reason: code, field, rule, message, raw, rawCut: cut });
  }
  if (rows.length === 0) return { change: undefined, rejections };
  const shared = { receivedAt: environment.clock.now(), dataset, contract, feed, session, batch };
  return { change: quarantineChange(sources.contracts, shared, rows), rejections };
}

/** The raw forms of the rows that were accepted, for a dataset that declares to keep them. */
export function keepAccepted(
  { sources, environment }: Pick<GateParts, "sources" | "environment">,
  { dataset, feed, session, batch }: Submission,
  received: Received,
  turnedAway: readonly TurnedRow[],
): Change[] {
  const turned = new Set(turnedAway.map(({ place }) => place));
  if (turned.size === received.received) return [];
  const budget = new RawBudget();
  const rows: { place: number; raw: string; rawCut: boolean }[] = [];
  for (let place = 0; place < received.received; place++) {
    if (turned.has(place)) continue;
    const { raw, cut } = received.rawOf(place, budget);
    rows.push({ place, raw, rawCut: cut });
  }
  const shared = { receivedAt: environment.clock.now(), dataset, feed, session, batch };
  return [rawChange(sources.contracts, shared, rows)];
}
