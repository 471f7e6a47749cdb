/** For the tests of this room: a log in memory, and a driver that runs a flow against it, crashes included. */
import { batchOfRows, encodeBatch, type Row, rowsOf } from "../batch/index.ts";
import { float, instant, optional, type SeriesContract, series, text } from "../contract/index.ts";
import type { Account, Cause, Change, Commit, Correction, Draft, Operation } from "../log/index.ts";
import { createFlow, type FlowCause, type FlowSpec, type LeftOut, type RunningFlow } from "./index.ts";

export const ticks = series("ticks", {
  fields: {
    symbol: text({ max: 32 }),
    time: instant(),
    price: optional(float({ unit: "EUR" })),
    volume: float({ min: 0 }),
    venue: text({ max: 8, classification: "confidential" }),
  },
  key: ["symbol"],
  time: "time",
});

const noAccount: Account = { received: 0, accepted: 0, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
const noHash = new Uint8Array(32);

/** What happens to the source: rows of a session in one commit, or an event of a session. */
export type Step =
  | { readonly session: string; readonly rows: readonly Row[]; readonly operation?: Operation }
  | { readonly session: string; readonly event: "idle" | "ended"; readonly watermark?: number }
  | { readonly retry: readonly Row[] };

export class FakeLog {
  readonly commits: Commit[] = [];
  readonly #source: SeriesContract;

  constructor(source: SeriesContract) {
    this.#source = source;
  }
  append({ actor, cause, changes }: Draft): Commit {
    const position = this.commits.length + 1;
    const commit = { position, at: position, actor, cause, changes, previous: noHash, hash: noHash };
    this.commits.push(commit);
    return commit;
  }
  step(step: Step): Commit {
    if ("event" in step) {
      const { session, event, watermark } = step;
      const cause = { kind: "session", feed: "feed", session, event } as const;
      return this.append({
        actor: "feed:feed",
        cause: watermark === undefined ? cause : { ...cause, watermark },
        changes: [],
      });
    }
    const rows = "retry" in step ? step.retry : step.rows;
    const cause: Cause =
      "retry" in step
        ? { kind: "retry", rows: [], account: noAccount }
        : { kind: "feed", feed: "feed", session: step.session, batch: 1, dataset: "ticks", account: noAccount };
    const operation = "retry" in step ? "append" : (step.operation ?? "append");
    return this.append({ actor: "feed:feed", cause, changes: [changeOf(this.#source, operation, rows)] });
  }
}

export function changeOf(contract: SeriesContract, operation: Operation, rows: readonly Row[]): Change {
  const batch = batchOfRows(contract.layout, rows);
  return { dataset: contract.name, contract: 1, operation, batch, bytes: encodeBatch(batch) };
}

export interface Driving {
  /** Commits per `apply`, in turn; default one. */
  readonly runs?: readonly number[];
  /** Steps after which the process dies: with its drafts lost, or written but not seen. */
  readonly crashes?: ReadonlyMap<number, "lost" | "written">;
  /** Saves after every so many steps. */
  readonly saveEvery?: number;
}

/** Runs steps through a log and a flow, and gives the log. */
export function drive(spec: FlowSpec, source: SeriesContract, steps: readonly Step[], options: Driving = {}): FakeLog {
  const log = new FakeLog(source);
  const { runs = [1], crashes, saveEvery = Infinity } = options;
  let saved: { readonly state: unknown; readonly position: number } | undefined;
  let flow = started(spec, source, log, undefined);
  let seen = 0;
  let turn = 0;
  const catchUp = (): void => {
    flow.apply(log.commits.slice(seen));
    seen = log.commits.length;
  };
  steps.forEach((step, index) => {
    log.step(step);
    const died = crashes?.get(index);
    const last = index === steps.length - 1;
    if (died === undefined && !last && log.commits.length - seen < runs[turn % runs.length]!) return;
    turn += 1;
    catchUp();
    const drafts = flow.takeDrafts();
    // Saved with drafts under way, of which nobody knows yet what becomes.
    if (index % saveEvery === 0) saved = { state: structuredClone(flow.save()), position: seen };
    if (died !== "lost") for (const draft of drafts) log.append(draft);
    if (died !== undefined) {
      flow = started(spec, source, log, saved);
      seen = log.commits.length;
      for (const draft of flow.takeDrafts()) log.append(draft);
    }
    catchUp();
  });
  return log;
}

function started(
  spec: FlowSpec,
  source: SeriesContract,
  log: FakeLog,
  saved: { readonly state: unknown; readonly position: number } | undefined,
): RunningFlow {
  const flow = createFlow(spec, { contract: source });
  if (saved !== undefined) flow.load(structuredClone(saved.state));
  flow.apply(log.commits.slice(saved?.position ?? 0));
  flow.goLive();
  return flow;
}

/** What a flow wrote, free of where commits were cut: rows as they came, and corrections by the number of their row. */
export interface Derived {
  readonly appended: readonly Row[];
  readonly corrected: readonly Row[];
  readonly corrections: readonly (Pick<Correction, "reason" | "replaced"> & { readonly sourceRow: number })[];
  readonly leftOut: readonly { readonly reason: LeftOut["reason"]; readonly sourceRow: number }[];
  readonly causes: readonly FlowCause[];
}

export function derivedOf(log: FakeLog, spec: FlowSpec): Derived {
  const derived = { appended: [], corrected: [], corrections: [], leftOut: [], causes: [] } as {
    -readonly [Name in keyof Derived]: Derived[Name][number][];
  };
  const firstRow = new Map<number, number>();
  let rows = 0;
  for (const { position, cause, changes } of log.commits) {
    firstRow.set(position, rows);
    for (const { dataset, batch } of changes) if (dataset === spec.source) rows += batch.count;
    if (cause.kind !== "flow" || cause.flow !== spec.name) continue;
    const { corrections, leftOut } = cause as FlowCause;
    derived.causes.push(cause);
    for (const { operation, batch } of changes) {
      const list = operation === "append" ? derived.appended : derived.corrected;
      list.push(...rowsOf(spec.into.layout, batch));
    }
    const numberOf = (at: number, place: number): number => firstRow.get(at)! + place;
    for (const { reason, replaced, position: at, sourcePlace } of corrections ?? []) {
      derived.corrections.push({ reason, replaced, sourceRow: numberOf(at, sourcePlace) });
    }
    for (const { reason, position: at, sourcePlace } of leftOut ?? []) {
      derived.leftOut.push({ reason, sourceRow: numberOf(at, sourcePlace) });
    }
  }
  return derived;
}

/** The newest revision of each key and time, by key and time. */
export function finalState({ appended, corrected }: Derived, contract: SeriesContract): Map<string, Row> {
  const state = new Map<string, Row>();
  const revised = [...appended, ...corrected].sort((one, two) => Number(one.revision) - Number(two.revision));
  for (const row of revised)
    state.set(JSON.stringify([contract.key.map((name) => row[name]), row[contract.time]]), row);
  return new Map([...state].sort(([one], [two]) => (one < two ? -1 : 1)));
}

export const propertyRuns = Number(process.env.MILLPOND_RUNS ?? 100);
