/**
 * Judging kept rows again. They are judged as rows of their own feed, but none is late now. All look-ups come first;
 * then everything is judged and appended in one go, so that nothing else can be judged on rows that may yet fail.
 */
import { fail, messageOf } from "../base/index.ts";
import type { Batch } from "../batch/index.ts";
import { parseJsonRows } from "../contract/index.ts";
import type { Account, Change } from "../log/index.ts";
import type { Checked } from "./check.ts";
import type { DatasetState } from "./dataset.ts";
import { receive } from "./incoming.ts";
import type { FeedJudge } from "./judges.ts";
import { MOST_REJECTIONS } from "./kept.ts";
import type { GateParts } from "./parts.ts";
import { type Resolution, resolutionsChange } from "./quarantine.ts";
import type { RecentBatch } from "./recent.ts";
import type { Admission, QuarantinedRow } from "./types.ts";
import { accountOf, admitted, bytesOf, changesOf, type TurnedRow, verdictOf } from "./verdict.ts";

/** Rows of one feed into one dataset. */
interface Group {
  readonly judge: FeedJudge;
  /** Places in the list of ids. */
  readonly places: readonly number[];
  readonly checked: Checked;
}
interface Prepared {
  readonly group: Group;
  readonly state: DatasetState;
  readonly stored: Batch | undefined;
}

export async function retryRows(parts: GateParts, given: readonly string[], actor: string): Promise<Admission> {
  const ids = [...new Set(given)];
  const limit = parts.options.maxBatchRows;
  if (ids.length > limit) throw fail("batch_too_large", { rows: ids.length, limit });
  // One at a time and until durable: the next one must see what this one resolved.
  const end = [await parts.retries.turn()];
  try {
    const rows = await keptRows(parts, ids);
    while (parts.speculation.recovery !== undefined) await parts.speculation.recovery;
    const { epoch } = parts.speculation;
    const hopeless: TurnedRow[] = [];
    const groups = groupsOf(parts, rows, hopeless);
    const prepared: Prepared[] = [];
    const datasets = [...new Set(groups.map(({ judge }) => judge.version.contract.name))].sort();
    for (const dataset of datasets) end.push(await parts.states.lane(dataset).turn());
    parts.speculation.mustHold(epoch);
    for (const group of groups) {
      const state = parts.states.of(group.judge.version.contract.name);
      end.push(state.recent.pin());
      const stored = await parts.states.lookUp(state, state.survey(group.checked.batch));
      parts.speculation.mustHold(epoch);
      prepared.push({ group, state, stored });
    }
    return await admit(parts, ids, hopeless, prepared, actor);
  } finally {
    for (const release of end.reverse()) release();
  }
}

/** @throws `quarantine_unknown` */
async function keptRows({ sources }: GateParts, ids: readonly string[]): Promise<readonly QuarantinedRow[]> {
  const known = new Map((await sources.quarantinedRows(ids)).map((row) => [row.id, row]));
  const unknown = ids.filter((id) => !known.has(id));
  if (unknown.length > 0) throw fail("quarantine_unknown", { ids: unknown.slice(0, 10) });
  return ids.map((id) => known.get(id)!);
}

/** @throws `dataset_unknown` where the dataset of a row is not declared any more */
function groupsOf(parts: GateParts, rows: readonly QuarantinedRow[], hopeless: TurnedRow[]): readonly Group[] {
  const grouped = new Map<
    string,
    { readonly row: QuarantinedRow; readonly places: number[]; readonly values: unknown[] }
  >();
  rows.forEach((row, place) => {
    const read = readRaw(row);
    if ("code" in read) {
      hopeless.push({ place, outcome: "refused", code: read.code, message: messageOf(read.code, read.details) });
      return;
    }
    const key = `${row.dataset}\0${row.feed}`;
    const group = grouped.get(key) ?? { row, places: [], values: [] };
    grouped.set(key, group);
    group.places.push(place);
    group.values.push(read.value);
  });
  return [...grouped.values()].map(({ row, places, values }) => {
    const version = parts.states.version(row.dataset);
    const judge = parts.judges.of(version, parts.sources.policy(row.feed, row.dataset));
    const received = receive({ kind: "rows", rows: values }, [], version.contract.layout, values.length);
    return { judge, places, checked: judge.checker.check(received) };
  });
}

type Unreadable = { readonly code: "row_raw_cut" | "row_unreadable"; readonly details: { readonly problem?: string } };

function readRaw({ raw, raw_cut }: QuarantinedRow): { readonly value: unknown } | Unreadable {
  if (raw_cut) return { code: "row_raw_cut", details: {} };
  try {
    const { received, rows, unreadable } = parseJsonRows(`[${raw}]`, { decimals: true });
    if (received === 1 && rows.length === 1) return { value: rows[0] };
    return { code: "row_unreadable", details: { problem: unreadable[0]?.message ?? "it is not one JSON value" } };
  } catch {
    return { code: "row_unreadable", details: { problem: "its raw form is not JSON" } };
  }
}

interface Judged {
  readonly changes: Change[];
  readonly entries: readonly (readonly [DatasetState, RecentBatch])[];
  readonly turnedAway: readonly TurnedRow[];
  readonly account: Account;
}

function judgeAll(
  { environment }: GateParts,
  total: number,
  hopeless: readonly TurnedRow[],
  prepared: readonly Prepared[],
): Judged {
  const turnedAway = [...hopeless];
  const changes: Change[] = [];
  const entries: [DatasetState, RecentBatch][] = [];
  let accepted = 0;
  for (const { group, state, stored } of prepared) {
    const { judge, checked, places } = group;
    const survey = state.survey(checked.batch);
    const judgement = state.judge(survey, {
      rules: judge.rules,
      stored,
      sessionNewest: Number.NEGATIVE_INFINITY,
      lateness: null,
      logger: environment.logger,
    });
    const verdict = verdictOf(places.length, checked, survey, judgement, state, null);
    accepted += verdict.account.accepted;
    changes.push(...changesOf(verdict, judge.version));
    // At once: rows of the next group must be compared with these.
    for (const entry of admitted(state, verdict, judgement.outOfOrder)) entries.push([state, entry]);
    for (const row of verdict.turnedAway) turnedAway.push({ ...row, place: places[row.place]! });
  }
  turnedAway.sort((left, right) => left.place - right.place);
  return { changes, entries, turnedAway, account: accountOf(total, accepted, turnedAway) };
}

/** From the first judgement to the append nothing waits. */
async function admit(
  parts: GateParts,
  ids: readonly string[],
  hopeless: readonly TurnedRow[],
  prepared: readonly Prepared[],
  actor: string,
): Promise<Admission> {
  const { speculation, sources, environment } = parts;
  try {
    const { changes, entries, turnedAway, account } = judgeAll(parts, ids.length, hopeless, prepared);
    const outcomes = new Map(turnedAway.map(({ place, outcome }) => [place, outcome]));
    const resolutions = ids.flatMap((id, place): Resolution[] => {
      const outcome = outcomes.get(place) ?? "accepted";
      return outcome === "accepted" || outcome === "duplicate" ? [{ id, outcome }] : [];
    });
    if (resolutions.length > 0) {
      changes.push(resolutionsChange(sources.contracts, actor, environment.clock.now(), resolutions));
    }
    const appended = sources.append({ actor, cause: { kind: "retry", rows: ids, account }, changes });
    const rejections = turnedAway.slice(0, MOST_REJECTIONS).map((row) => ({ ...row, quarantineId: ids[row.place]! }));
    return speculation.track(
      appended,
      ids.length,
      bytesOf(changes),
      (outcome) => {
        if (!("position" in outcome)) return;
        for (const [state, entry] of entries) state.recent.settle(entry, outcome.position);
      },
      (receipt) => ({ receipt, account, rejections, repeated: false }),
    );
  } catch (error) {
    throw speculation.fail(error);
  }
}
