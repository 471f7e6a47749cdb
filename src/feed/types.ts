/**
 * The feed port: a source of rows that runs under a supervisor.
 *
 * How a feed is called, and what each end means:
 * - `run` is called once per start and never twice at the same time. It resolves when the source has ended by itself,
 *   or soon after `context.signal` aborts, once everything it submitted has settled.
 * - It rejects with a *condition* (`retryable`) when the outside failed: the supervisor calls `run` again after a
 *   backoff. It rejects with a *refusal* when asking again cannot help (wrong token, unknown dataset): the feed stays
 *   down until a person acts. A *bug* is treated as a refusal and logged with its stack.
 * - Whatever was not durable when `run` ended is read again from the source: a feed remembers nothing that the gate's
 *   sessions do not say (`gate.lastBatch`).
 */
import type { Environment, Instant } from "../base/index.ts";
import type { Gate } from "../gate/index.ts";

export type FeedState =
  /** Not there yet: dialling, or waiting for a terminal to dial in. */
  | "connecting"
  | "live"
  /** Connected, but nothing was heard for longer than promised, or the source lost its own upstream. */
  | "stale"
  | "disconnected"
  | "stopped";

export interface FeedStatus {
  readonly feed: string;
  readonly state: FeedState;
  readonly since: Instant;
  /** Open sessions, each with its own numbering. */
  readonly sessions: readonly SessionStatus[];
  /** When the last batch became durable. */
  readonly lastBatchAt: Instant | null;
  /** Code of the last error met, kept until the next success. */
  readonly lastError: string | null;
  /** Rows received a second, over the last few seconds. */
  readonly ticksPerSecond: number;
  readonly rowsReceived: number;
  readonly batchesDurable: number;
}

export interface SessionStatus {
  readonly session: string;
  readonly state: FeedState;
  readonly since: Instant;
  readonly source: SourceDescription;
  readonly lastBatch: number;
  /** Rows handed to the gate that are not durable yet. */
  readonly waitingRows: number;
  readonly rowsReceived: number;
  readonly ticksPerSecond: number;
  readonly lastError: string | null;
}

/** Who sends; for a bridge the terminal. */
export interface SourceDescription {
  readonly id: string;
  readonly name: string;
  /** True wherever the data is made up: it is shown with every figure of the feed. */
  readonly simulated: boolean;
  readonly timeZone: string;
  readonly symbols: readonly string[];
}

/** What operators and alerts hear of; each happens at an instant, unlike the status, which lasts. */
export interface FeedEvent {
  readonly kind:
    | "connected"
    | "resumed"
    | "replaced"
    | "stale"
    | "idle"
    | "paused"
    | "broker_lost"
    | "broker_back"
    | "disconnected"
    | "ended"
    | "refused";
  readonly feed: string;
  readonly session: string;
  readonly at: Instant;
  /** A code of the error table, where an error was the reason. */
  readonly code?: string;
}

export interface FeedContext {
  readonly gate: Gate;
  readonly environment: Environment;
  /** Aborts when the feed must stop. */
  readonly signal: AbortSignal;
  /** The latest status replaces the one before. */
  report(status: FeedStatus): void;
  event(event: FeedEvent): void;
}

export interface Feed {
  readonly name: string;
  /** `bridge`, `import`, … */
  readonly kind: string;
  run(context: FeedContext): Promise<void>;
}
