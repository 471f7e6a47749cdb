/** What a bridge is made from, with the defaults of every limit in one place. */
import type { Environment } from "../../base/index.ts";
import type { Gate } from "../../gate/index.ts";
import type { RowMapper } from "../row-mapper.ts";
import type { FeedEvent } from "../types.ts";

/** Who holds a token. */
export interface BridgePrincipal {
  /** The actor of its batches, as `feed:mt5`. */
  readonly name: string;
  /** The feeds it may send for; absent means all. */
  readonly feeds?: readonly string[];
}

/** One feed that terminals may send for. */
export interface BridgeFeed {
  readonly name: string;
  readonly mapper: RowMapper;
  /** Default false: a feed takes either real or simulated terminals, so that the two are never mixed. */
  readonly simulated?: boolean;
  /** Overrides what terminals say of their server's zone. */
  readonly serverTimeZone?: string;
}

export interface BridgeLimits {
  readonly helloMs: number;
  readonly helloBytes: number;
  readonly heartbeatMs: number;
  /** A terminal is stale after half of this and cut off after all of it. */
  readonly silentMs: number;
  /** Without ticks but with heartbeats for so long, a session is idle. */
  readonly idleAfterMs: number;
  /** An idle session tells its watermark again after so long; `Infinity`: once. */
  readonly idleRepeatMs: number;
  /** A session whose terminal stays away for so long is recorded as ended; it may still go on later. */
  readonly abandonAfterMs: number;
  readonly messageBytes: number;
  readonly messageFragments: number;
  readonly ticksPerBatch: number;
  /** Told to the terminal as its window. */
  readonly batchesInFlight: number;
  /** A socket is not read while more rows of it wait to be durable. */
  readonly waitingRows: number;
  readonly connections: number;
  /** How long `close` waits for submitted batches to become durable. */
  readonly drainMs: number;
}

export const bridgeLimits: BridgeLimits = {
  helloMs: 5_000,
  helloBytes: 16_384,
  heartbeatMs: 2_000,
  silentMs: 10_000,
  idleAfterMs: 10_000,
  idleRepeatMs: 60_000,
  abandonAfterMs: 600_000,
  messageBytes: 1_048_576,
  messageFragments: 64,
  ticksPerBatch: 5_000,
  batchesInFlight: 64,
  waitingRows: 20_000,
  connections: 256,
  drainMs: 5_000,
};

export interface BridgeOptions {
  readonly gate: Gate;
  readonly environment: Environment;
  readonly feeds: readonly BridgeFeed[];
  /** Undefined for a token that is not accepted. Must compare in constant time and never log a token. */
  authenticate(token: string): BridgePrincipal | undefined | Promise<BridgePrincipal | undefined>;
  readonly limits?: Partial<BridgeLimits>;
  onEvent?(event: FeedEvent): void;
}
