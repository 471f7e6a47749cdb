/**
 * Explaining a stored row: where it came from to the place in its batch, what was judged of it, which commit and hash
 * hold it; for a derived row the expressions and the very rows it was made of. Everything is read back from the log and
 * the views, nothing is kept for the purpose.
 */
import { fail, formatInstant, toHex } from "../base/index.ts";
import { type Row, rowsOf, type Value } from "../batch/index.ts";
import { type Contract, type ContractVersion, type FeedPolicy, rawContract } from "../contract/index.ts";
import { type Expression, evaluate } from "../expression/index.ts";
import { describeFlow, type FlowSpec, flowLineage, sourceRange } from "../flow/index.ts";
import { quarantineIds } from "../gate/index.ts";
import type { Cause, Commit } from "../log/index.ts";
import type { Plan } from "../query/index.ts";
import { equals, field, literalOf } from "./conditions.ts";
import type { PoolParts } from "./open.ts";

const MOST_SOURCE_ROWS = 1_000;

export interface RuleResult {
  readonly rule: string;
  readonly description: string;
  /** null: not decidable for this row (a value is absent), which counts as holding. */
  readonly holds: boolean | null;
  /** What would have become of the row had it not held, as the feed's policy has it today. */
  readonly otherwise: string;
}

export interface Explanation {
  readonly dataset: string;
  readonly row: Row;
  readonly position: number;
  readonly place: number;
  readonly commit: { readonly at: string; readonly actor: string; readonly previous: string; readonly hash: string };
  readonly contract: number;
  readonly cause: Cause;
  /** For rows of a feed: the place in the batch as received, from 0. */
  readonly placeInBatch?: number;
  /** As received, where the contract keeps raw forms. */
  readonly raw?: string;
  readonly rules: readonly RuleResult[];
  readonly derivation?: Derivation;
  /** Earlier revisions of the same key and time, oldest first. */
  readonly superseded: readonly Row[];
}

export interface Derivation {
  readonly flow: string;
  readonly description: string;
  readonly fields: Readonly<Record<string, { readonly sources: readonly string[]; readonly description: string }>>;
  readonly source: string;
  /** The rows it was made of, with their origin, at most 1,000. */
  readonly rows: readonly Row[];
  readonly moreRows: boolean;
}

/** @param at event time in microseconds; absent: the newest row of the key. @throws `dataset_unknown`, `row_unknown` */
export async function explainRow(
  parts: PoolParts,
  dataset: string,
  key: readonly (string | number | boolean)[],
  at?: number,
): Promise<Explanation> {
  const known = parts.contracts.current.get(dataset);
  if (known === undefined) throw fail("dataset_unknown", { dataset, known: [...parts.contracts.current.keys()] });
  const { contract } = known;
  const time = at ?? timeOfNewest(parts, contract, key);
  const rows = await revisions(parts, contract, key, time);
  const found = rows.at(-1);
  if (found === undefined) throw fail("row_unknown", { dataset });
  const [position, place] = [Number(found._position), Number(found._place)];
  const [commit] = await parts.stored.read(position - 1, { commits: 1 });
  const flow = parts.definition.flows.find(({ into }) => into.name === dataset);
  return {
    dataset,
    row: withoutOrigin(found),
    position,
    place,
    ...commitFacts(commit!, dataset, place),
    rules: await ruleResults(parts, known, found),
    ...(flow === undefined ? {} : { derivation: await derivation(parts, flow, withoutOrigin(found)) }),
    superseded: contract.identity === "keyTime" ? rows.slice(0, -1) : [],
  };
}

function timeOfNewest(
  { latest }: PoolParts,
  { name, time }: Contract,
  key: readonly (string | number | boolean)[],
): number {
  const newest = latest.get(name, key);
  if (newest === undefined) throw fail("row_unknown", { dataset: name });
  return Number(newest.row[time]);
}

/** All rows of a key and time with their origin, oldest first; more than one after corrections or for equal times. */
async function revisions(
  { query }: PoolParts,
  { name, layout, key: keyFields, time, identity }: Contract,
  key: readonly (string | number | boolean)[],
  at: number,
): Promise<Row[]> {
  if (key.length !== keyFields.length) throw fail("key_incomplete", { dataset: name, fields: keyFields });
  const matches = [...keyFields.map((each, index) => equals(layout, each, key[index]!)), equals(layout, time, at)];
  const plan: Plan = {
    dataset: name,
    where: { op: "and", terms: matches },
    select: [...layout.map((each) => each.name), "_position", "_place"].map((as) => ({ as, value: field(as) })),
    order: [{ by: "_position" }, { by: "_place" }],
  };
  const answer = await query.run(plan);
  const rows = rowsOf(answer.layout, answer.batch);
  if (identity === "content" || rows.length === 0) return rows;
  // A plan shows only what holds now; the revisions before come from the commits that held them.
  const older: Row[] = [];
  const revision = Number(rows[0]!.revision ?? 0);
  for (let through = Number(rows[0]!._position) - 1; older.length < revision && through > 0; ) {
    const before = await query.run({ ...plan, asOf: through });
    const [row] = rowsOf(before.layout, before.batch);
    if (row === undefined) break;
    older.unshift(withoutOrigin(row));
    through = Number(row._position) - 1;
  }
  return [...older, ...rows];
}

function commitFacts(commit: Commit, dataset: string, place: number) {
  const { at, actor, previous, hash, cause, changes } = commit;
  const contract = changes.find((change) => change.dataset === dataset)!.contract;
  return {
    commit: { at: formatInstant(at), actor, previous: toHex(previous), hash: toHex(hash) },
    contract,
    cause,
    ...(cause.kind === "feed" && cause.dataset === dataset ? receivedFacts(commit, cause, place) : {}),
  };
}

function receivedFacts({ changes }: Commit, cause: Extract<Cause, { kind: "feed" }>, place: number) {
  const placeInBatch = receivedPlace(cause, place);
  const kept = changes.find((change) => change.dataset === rawContract.name);
  const id = quarantineIds(cause.feed, cause.session, cause.batch)(placeInBatch);
  const row = kept && rowsOf(rawContract.layout, kept.batch).find((each) => each.id === id);
  return { placeInBatch, ...(row ? { raw: String(row.raw) } : {}) };
}

/** The place in the received batch of the n-th accepted row: accepted rows keep their order. */
function receivedPlace({ notAccepted = [] }: Extract<Cause, { kind: "feed" }>, accepted: number): number {
  let place = accepted;
  for (const [first, count] of [...notAccepted].sort((one, two) => one[0] - two[0])) {
    if (first > place) break;
    place += count;
  }
  return place;
}

async function ruleResults(parts: PoolParts, { contract }: ContractVersion, found: Row): Promise<RuleResult[]> {
  if (contract.rules.length === 0) return [];
  const row = withoutOrigin(found);
  const previous = await previousRow(parts, contract, found);
  const [commit] = await parts.log.read(Number(found._position) - 1, { commits: 1 });
  const feed = commit?.cause.kind === "feed" ? commit.cause.feed : undefined;
  const policy: FeedPolicy | undefined = parts.definition.feeds.find(
    ({ name, dataset }) => name === feed && dataset === contract.name,
  )?.policy;
  return contract.rules.map(({ name, holds, otherwise, description }) => ({
    rule: name,
    description,
    holds: evaluate(holds, contract.layout, row, previous) as boolean | null,
    otherwise: policy?.rules?.[name] ?? otherwise,
  }));
}

/** What the gate had before it when it judged the row: nothing for a row that came out of order. */
async function previousRow({ query }: PoolParts, contract: Contract, found: Row): Promise<Row | undefined> {
  const { name, layout, key, time } = contract;
  const sameKey = key.map((each) => equals(layout, each, found[each] as string | number | boolean));
  const [position, place] = [literalOf("integer", found._position!), literalOf("integer", found._place!)];
  const before: Expression = {
    op: "or",
    terms: [
      { op: "lt", left: field("_position"), right: position },
      {
        op: "and",
        terms: [
          { op: "eq", left: field("_position"), right: position },
          { op: "lt", left: field("_place"), right: place },
        ],
      },
    ],
  };
  const answer = await query.run({
    dataset: name,
    where: { op: "and", terms: [...sameKey, before] },
    order: [
      { by: time, descending: true },
      { by: "_position", descending: true },
    ],
    select: [...layout.map((each) => each.name), "_position"].map((as) => ({ as, value: field(as) })),
    limit: 1,
  });
  const [row] = rowsOf(answer.layout, answer.batch);
  return row === undefined || Number(row[time]) > Number(found[time]) ? undefined : withoutOrigin(row);
}

async function derivation({ query, contracts }: PoolParts, flow: FlowSpec, row: Row): Promise<Derivation> {
  const range = sourceRange(flow, row as Readonly<Record<string, Value>>);
  const { layout, time } = contracts.current.get(range.dataset)!.contract;
  const bounds: Expression[] = [{ op: "lte", left: field(time), right: literalOf("instant", range.through) }];
  if (range.from !== null) bounds.push({ op: "gte", left: field(time), right: literalOf("instant", range.from) });
  const keys = Object.entries(range.key).map(([name, value]) =>
    equals(layout, name, value as string | number | boolean),
  );
  const answer = await query.run({
    dataset: range.dataset,
    where: { op: "and", terms: [...keys, ...bounds] },
    select: [...layout.map((each) => each.name), "_position", "_place"].map((as) => ({ as, value: field(as) })),
    // Where only the newest rows of the range matter, they come first.
    order: [{ by: time, descending: range.newest !== null }],
    limit: Math.min(range.newest ?? MOST_SOURCE_ROWS, MOST_SOURCE_ROWS),
  });
  return {
    flow: flow.name,
    description: describeFlow(flow),
    fields: flowLineage(flow).fields,
    source: range.dataset,
    rows: rowsOf(answer.layout, answer.batch),
    moreRows: range.newest === null && answer.next !== undefined,
  };
}

function withoutOrigin(row: Row): Row {
  const { _position, _place, ...rest } = row;
  return rest;
}
