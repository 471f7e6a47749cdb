/**
 * What a judged batch comes to: its account, the rows to store and the rows turned away, and from that the draft of
 * one commit and the answer to the sender.
 */
import { assert, type ErrorCode, type ErrorDetails, formatDuration, messageOf } from "../base/index.ts";
import { encodeBatch } from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import type { Account, Cause, Change, Operation } from "../log/index.ts";
import { type Checked, keepRows } from "./check.ts";
import type { DatasetState, Survey } from "./dataset.ts";
import type { Judgement, TurnedAway } from "./judge.ts";
import type { RecentBatch } from "./recent.ts";
import type { SlottedBatch } from "./slots.ts";
import type { Outcome, Rejection } from "./types.ts";

/** A row that was not accepted, by its place in the received batch. */
export type TurnedRow = Omit<Rejection, "quarantineId">;

export interface Verdict {
  readonly account: Account;
  /** Ascending by place. */
  readonly turnedAway: readonly TurnedRow[];
  /** Rows to add, and rows that supersede stored ones; undefined where there are none. */
  readonly appended: SlottedBatch | undefined;
  readonly corrected: SlottedBatch | undefined;
}

/** @param lateness the bound that held, for the messages */
export function verdictOf(
  received: number,
  checked: Checked,
  survey: Survey,
  judgement: Judgement,
  state: DatasetState,
  lateness: number | null,
): Verdict {
  const { turnedAway, corrections } = judgement;
  const refused = checked.refused.map((row): TurnedRow => ({ outcome: "refused", ...row }));
  const turned = turnedAway.map((row) => turnedRow(row, checked.placeOf(row.place), lateness));
  const all = refused.length === 0 ? turned : [...refused, ...turned].sort((left, right) => left.place - right.place);
  const { appended, corrected } = partsOf(survey, turnedAway, corrections, state);
  const accepted = (appended?.batch.count ?? 0) + (corrected?.batch.count ?? 0);
  return { account: accountOf(received, accepted, all), turnedAway: all, appended, corrected };
}

export function accountOf(received: number, accepted: number, turned: readonly TurnedRow[]): Account {
  const account = { received, accepted, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
  for (const { outcome } of turned) account[outcome] += 1;
  assert(accepted + turned.length === received, "every received row has one outcome");
  return account;
}

function partsOf(
  survey: Survey,
  turnedAway: readonly TurnedAway[],
  corrections: readonly number[],
  state: DatasetState,
): Pick<Verdict, "appended" | "corrected"> {
  const { batch } = survey;
  if (batch.count === 0) return { appended: undefined, corrected: undefined };
  if (turnedAway.length === 0 && corrections.length === 0) return { appended: survey, corrected: undefined };
  const elsewhere = new Uint8Array(batch.count);
  for (const { place } of turnedAway) elsewhere[place] = 1;
  for (const place of corrections) elsewhere[place] = 1;
  const places = new Uint32Array(batch.count - turnedAway.length - corrections.length);
  for (let place = 0, next = 0; place < batch.count; place++) if (elsewhere[place] === 0) places[next++] = place;
  const part = (taken: Uint32Array) => (taken.length === 0 ? undefined : state.slotted(keepRows(batch, taken)));
  return { appended: part(places), corrected: part(Uint32Array.from(corrections)) };
}

function turnedRow({ outcome, code, rule, behind }: TurnedAway, place: number, lateness: number | null): TurnedRow {
  const name = rule?.rule.name;
  const details: ErrorDetails = {
    ...(rule === undefined ? {} : { rule: rule.rule.name, description: rule.rule.description }),
    ...(behind === undefined ? {} : { behind: formatDuration(behind), lateness: formatDuration(lateness ?? 0) }),
  };
  const message = messageOf(code as ErrorCode, details);
  return name === undefined ? { place, outcome, code, message } : { place, outcome, code, message, rule: name };
}

/** The changes of a verdict to its dataset, encoded once. */
export function changesOf({ appended, corrected }: Verdict, { version, contract }: ContractVersion): Change[] {
  const change = ({ batch }: SlottedBatch, operation: Operation): Change => ({
    dataset: contract.name,
    contract: version,
    operation,
    batch,
    bytes: encodeBatch(batch),
  });
  return [
    ...(appended === undefined ? [] : [change(appended, "append")]),
    ...(corrected === undefined ? [] : [change(corrected, "correct")]),
  ];
}

/** Takes the accepted rows among the recent ones, in the order in which they hold. */
export function admitted(state: DatasetState, { appended, corrected }: Verdict, outOfOrder: number): RecentBatch[] {
  const entries: RecentBatch[] = [];
  if (appended !== undefined) entries.push(state.admit(appended, outOfOrder === 0));
  if (corrected !== undefined) entries.push(state.admit(corrected, false));
  return entries;
}

export const bytesOf = (changes: readonly Change[]): number =>
  changes.reduce((sum, { bytes }) => sum + bytes.length, 0);

type FeedCause = Extract<Cause, { kind: "feed" }>;

export function feedCause(
  facts: Pick<FeedCause, "feed" | "session" | "batch" | "dataset">,
  { account, turnedAway }: Verdict,
  { breaches, outOfOrder }: Judgement,
): FeedCause {
  return {
    kind: "feed",
    ...facts,
    account,
    ...(turnedAway.length === 0 ? {} : { notAccepted: runsOf(turnedAway) }),
    ...(breaches.size === 0 ? {} : { breaches: Object.fromEntries(breaches) }),
    ...(outOfOrder === 0 ? {} : { outOfOrder }),
  };
}

/** Neighbours of one outcome as `[first, count, outcome]`. */
function runsOf(turnedAway: readonly TurnedRow[]): [number, number, Outcome][] {
  const runs: [number, number, Outcome][] = [];
  for (const { place, outcome } of turnedAway) {
    const last = runs.at(-1);
    if (last !== undefined && last[2] === outcome && last[0] + last[1] === place) last[1] += 1;
    else runs.push([place, 1, outcome]);
  }
  return runs;
}
