/** The live figures of an open pool: chains hop by hop, readiness with its reasons, metrics. */
import { formatInstant, type Histogram } from "../base/index.ts";
import type { FeedStatus } from "../feed/index.ts";
import type { FeedTotals } from "../gate/index.ts";
import { type Chain, createChainRegistry, type Hop, type HopKind, RateMeter } from "../operate/index.ts";
import type { Figure } from "../serve/index.ts";
import type { PoolParts } from "./open.ts";

export interface StatusSources {
  readonly parts: PoolParts;
  /** Statuses of bridge feeds; empty while no bridge listens. */
  readonly feeds: () => readonly FeedStatus[];
  /** From submission to the receipt, per feed. */
  readonly durable: ReadonlyMap<string, Histogram>;
}

export interface Status {
  chains(): readonly Chain[];
  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] };
  figures(): readonly Figure[];
}

/** A view further behind than this makes the pool not ready. */
const MOST_LAG_COMMITS = 100_000;

export function createStatus(sources: StatusSources): Status {
  const { parts } = sources;
  const rates = new RateMeter(parts.environment.clock);
  const registry = createChainRegistry(
    {
      feeds: parts.definition.feeds.map(({ name, dataset }) => ({ feed: name, dataset })),
      flows: parts.definition.flows.map(({ name, source, into }) => ({ flow: name, source, into: into.name })),
      views: ["latest", "series"],
    },
    (kind, name, feed, dataset) => probe(sources, rates, kind, name, feed, dataset),
  );
  return {
    chains: () => registry.snapshot(),
    readiness: () => readiness(parts),
    figures: () => [...accountFigures(parts), ...logFigures(parts), ...viewFigures(parts), ...latencyFigures(sources)],
  };
}

function probe(
  { parts, feeds, durable }: StatusSources,
  rates: RateMeter,
  kind: HopKind,
  name: string,
  feed: string,
  dataset: string,
): Omit<Hop, "kind" | "name"> {
  switch (kind) {
    case "feed": {
      const status = feeds().find((each) => each.feed === feed);
      if (status === undefined) return {};
      const { state, lastError, lastBatchAt } = status;
      return {
        state,
        ...(lastError ? { lastError } : {}),
        ...(lastBatchAt ? { lastAt: formatInstant(lastBatchAt) } : {}),
      };
    }
    case "gate":
      return gateHop(totalsOf(parts, feed, name), rates, durable.get(feed));
    case "log": {
      const { position, at } = parts.log.head;
      const failure = parts.logFailure();
      return {
        rows: { commits: position },
        ...(position > 0 ? { lastAt: formatInstant(at) } : {}),
        ...(failure ? { lastError: failure.message } : {}),
      };
    }
    case "flow": {
      const flow = parts.flows.flows.find(({ spec }) => spec.name === name);
      const lastError = parts.flows.lastError(name);
      const { rows, corrections, leftOut, openWindows } = flow!.figures();
      return {
        rows: { derived: rows, corrections, leftOut, openWindows },
        lag: parts.log.head.position - parts.flowFolds.position,
        ...(lastError ? { lastError } : {}),
      };
    }
    case "view":
      return viewHop(parts, name, dataset);
    case "subscribers":
      return {};
  }
}

const totalsOf = ({ accounts }: PoolParts, feed: string, dataset: string): FeedTotals | undefined =>
  accounts.totals().find((totals) => totals.feed === feed && totals.dataset === dataset);

function gateHop(
  totals: FeedTotals | undefined,
  rates: RateMeter,
  durable: Histogram | undefined,
): Omit<Hop, "kind" | "name"> {
  if (totals === undefined) return { rows: { received: 0 } };
  const { received, accepted, duplicate, quarantined, late, refused, unaccounted, lastAt } = totals;
  const p50 = durable?.percentileMs(0.5);
  return {
    rows: { received, accepted, duplicate, quarantined, late, refused, unaccounted },
    rowsPerSecond: rates.rate(`${totals.feed} ${totals.dataset}`, received),
    ...(lastAt > 0 ? { lastAt: formatInstant(lastAt) } : {}),
    ...(p50 === undefined ? {} : { latencyMs: { p50, p99: durable!.percentileMs(0.99)! } }),
  };
}

function viewHop(
  { log, latest, folds, series, seriesRunner }: PoolParts,
  view: string,
  dataset: string,
): Omit<Hop, "kind" | "name"> {
  if (view === "latest") return { rows: { keys: latest.keys(dataset) }, lag: log.head.position - folds.position };
  const lastError = seriesRunner.lastError?.message;
  return {
    rows: { stored: series.figures().rows },
    lag: seriesRunner.lag().commits,
    ...(lastError ? { lastError } : {}),
  };
}

function readiness(parts: PoolParts): { ready: boolean; reasons: string[] } {
  const reasons: string[] = [];
  const failure = parts.logFailure();
  if (failure !== undefined) reasons.push(`the log: ${failure.message}`);
  const lag = parts.seriesRunner.lag().commits;
  if (lag > MOST_LAG_COMMITS) reasons.push(`view series is ${lag} commits behind`);
  for (const fold of [...parts.folds.broken, ...parts.flowFolds.broken])
    reasons.push(`${fold} is broken; restart to replay it`);
  for (const { name, state } of parts.supervisor.snapshot())
    if (state === "given-up") reasons.push(`task ${name} was given up`);
  return { ready: reasons.length === 0, reasons };
}

const figure = (
  name: string,
  kind: Figure["kind"],
  help: string,
  value: number,
  labels: Figure["labels"] = {},
): Figure => ({ name, kind, help, labels, value });

function accountFigures({ accounts }: PoolParts): Figure[] {
  return accounts.totals().flatMap((totals) => {
    const { feed, dataset } = totals;
    const outcomes = ["accepted", "duplicate", "quarantined", "late", "refused"] as const;
    return [
      figure("millpond_rows_received_total", "counter", "Rows received", totals.received, { feed, dataset }),
      ...outcomes.map((outcome) =>
        figure("millpond_rows_total", "counter", "Rows by outcome", totals[outcome], { feed, dataset, outcome }),
      ),
      figure(
        "millpond_rows_unaccounted",
        "gauge",
        "Rows received without an outcome; zero or a fault",
        totals.unaccounted,
        { feed, dataset },
      ),
    ];
  });
}

function logFigures({ log }: PoolParts): Figure[] {
  const { waitingDrafts, waitingBytes, store } = log.figures();
  const { storedBytes, groups } = store;
  return [
    figure("millpond_log_position", "gauge", "Newest durable position", log.head.position),
    figure("millpond_log_groups_total", "counter", "Transactions of the log's store", groups),
    figure("millpond_log_waiting_drafts", "gauge", "Drafts not yet durable", waitingDrafts),
    figure("millpond_log_waiting_bytes", "gauge", "Bytes not yet durable", waitingBytes),
    figure("millpond_log_stored_bytes", "gauge", "Bytes of the log on disk", storedBytes),
  ];
}

function viewFigures({ log, folds, flowFolds, flows, seriesRunner }: PoolParts): Figure[] {
  const lag = "Commits between the head of the log and this view";
  const head = log.head.position;
  return [
    figure("millpond_view_lag_commits", "gauge", lag, head - folds.position, { view: "latest" }),
    figure("millpond_view_lag_commits", "gauge", lag, seriesRunner.lag().commits, { view: "series" }),
    figure("millpond_view_lag_commits", "gauge", lag, head - flowFolds.position, { view: "flows" }),
    ...flows.flows.flatMap((flow) => {
      const { rows, corrections, leftOut, openWindows } = flow.figures();
      const labels = { flow: flow.spec.name };
      return [
        figure("millpond_flow_rows_total", "counter", "Derived rows", rows, labels),
        figure("millpond_flow_corrections_total", "counter", "Corrections of derived rows", corrections, labels),
        figure(
          "millpond_flow_left_out_total",
          "counter",
          "Source rows that could not be worked in, each said in the log",
          leftOut,
          labels,
        ),
        figure("millpond_flow_open_windows", "gauge", "Windows not yet closed", openWindows, labels),
      ];
    }),
  ];
}

function latencyFigures({ durable }: StatusSources): Figure[] {
  return [...durable].flatMap(([feed, histogram]) =>
    [0.5, 0.99].flatMap((quantile) => {
      const value = histogram.percentileMs(quantile);
      if (value === undefined) return [];
      const labels = { feed, quantile: String(quantile) };
      return [figure("millpond_durable_latency_ms", "gauge", "From submission to the durable receipt", value, labels)];
    }),
  );
}
