/** Folds the sessions of a feed into its status: the best state any of them is in, and sums. */
import type { Instant } from "../../base/index.ts";
import type { FeedState, FeedStatus, SessionStatus } from "../types.ts";

type Counted = SessionStatus & { readonly lastBatchAt: Instant | null; readonly batchesDurable: number };

const BEST_FIRST: readonly FeedState[] = ["live", "stale", "connecting", "disconnected", "stopped"];

export function feedStatus(
  feed: string,
  sessions: readonly Counted[],
  without: FeedState,
  startedAt: Instant,
): FeedStatus {
  const state = BEST_FIRST.find((wanted) => sessions.some((session) => session.state === wanted)) ?? without;
  const inState = sessions.filter((session) => session.state === state);
  const sum = (figure: (session: Counted) => number): number =>
    sessions.reduce((total, session) => total + figure(session), 0);
  const latest = sessions.reduce((last, { lastBatchAt }) => Math.max(last, lastBatchAt ?? 0), 0);
  return {
    feed,
    state,
    since: inState.reduce((first, { since }) => Math.min(first, since), inState[0]?.since ?? startedAt),
    sessions: sessions.map(({ lastBatchAt: _, batchesDurable: __, ...session }) => session),
    lastBatchAt: latest === 0 ? null : latest,
    lastError: sessions.find(({ lastError }) => lastError !== null)?.lastError ?? null,
    ticksPerSecond: sum(({ ticksPerSecond }) => ticksPerSecond),
    rowsReceived: sum(({ rowsReceived }) => rowsReceived),
    batchesDurable: sum(({ batchesDurable }) => batchesDurable),
  };
}
