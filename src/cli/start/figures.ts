/** What the live display shows, read from the open pool at one moment; plain data, so that `--json` prints the same. */
import type { FeedStatus } from "../../feed/index.ts";
import type { Account } from "../../log/index.ts";
import type { Chain } from "../../operate/index.ts";
import type { Pool } from "../../pool/index.ts";
import { noAccount } from "../account.ts";
import type { PushLatency } from "./push-latency.ts";

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

export interface FeedFigures {
  readonly feed: string;
  readonly dataset: string;
  readonly simulated: boolean;
  readonly state: string | null;
  readonly rowsPerSecond: number;
  readonly account: Account;
  readonly unaccounted: number;
  /** From the gate to the durable receipt, since the start. */
  readonly durableMs: Percentiles | null;
  /** From the gate to the decoded frame at a subscriber over the loopback socket, since the start. */
  readonly pushedMs: Percentiles | null;
}

export interface Figures {
  readonly position: number;
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly feeds: readonly FeedFigures[];
  readonly chains: readonly Chain[];
  readonly idleChains: number;
  readonly views: readonly { readonly view: string; readonly lag: number }[];
}

export function readFigures({ door, definition }: Pool, latency: PushLatency | undefined): Figures {
  const chains = door.chains() as readonly Chain[];
  const statuses = door.feeds() as readonly FeedStatus[];
  const active = chains.filter(({ hops }) =>
    hops.some(({ state, rowsPerSecond = 0 }) => state === "live" || state === "stale" || rowsPerSecond > 0),
  );
  const feeds = definition.feeds.map(({ name, dataset, kind, simulated = false }): FeedFigures & { kind: string } => {
    const gate = chains.find(({ source }) => source === name)?.hops.find((hop) => hop.kind === "gate");
    const totals = door.accounts().find((each) => each.feed === name && each.dataset === dataset);
    const pushed = latency?.of(name);
    return {
      ...{ feed: name, dataset, kind, simulated },
      state: statuses.find(({ feed }) => feed === name)?.state ?? null,
      rowsPerSecond: gate?.rowsPerSecond ?? 0,
      account: totals ?? noAccount,
      unaccounted: totals?.unaccounted ?? 0,
      durableMs: gate?.latencyMs ?? null,
      pushedMs: pushed ? { p50: pushed.percentileMs(0.5)!, p99: pushed.percentileMs(0.99)! } : null,
    };
  });
  const lags = new Map<string, number>();
  for (const { hops } of chains) {
    for (const { kind, name, lag } of hops) if (kind === "view" && lag !== undefined) lags.set(name, lag);
  }
  return {
    position: door.head(),
    ...door.readiness(),
    feeds: feeds
      .filter(({ kind, account }) => kind === "bridge" || account.received > 0)
      .map(({ kind: _, ...figures }) => figures),
    chains: active,
    idleChains: chains.length - active.length,
    views: Array.from(lags, ([view, lag]) => ({ view, lag })),
  };
}
