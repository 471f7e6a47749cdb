/**
 * Subscriptions: pushed rows that prove they have no hole. Subscriptions of one *shape* (dataset, filter, fields,
 * policy) are evaluated and encoded once, and the same bytes go to all of them.
 *
 * Each frame carries its position and `previous`, the position of the shape's frame before. A subscriber that has seen
 * everything up to its cursor accepts a frame exactly when `previous <= cursor < position`; then its cursor becomes
 * `position`. Anything else is a hole. Frames without rows (progress) move the cursor when the filter lets nothing by.
 */
import type { Environment } from "../base/index.ts";
import type { Batch, Layout } from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import type { Expression } from "../expression/index.ts";
import type { Cause, Commit, Operation, Position } from "../log/index.ts";

export interface SubscriptionRequest {
  readonly dataset: string;
  readonly where?: Expression;
  /** Fields in the wanted order; default all. */
  readonly fields?: readonly string[];
  /** `now`: only what comes; `start`: everything; a position: everything after it. */
  readonly from: "now" | "start" | Position;
  /** When this subscriber is too slow: send only the newest row of each key, saying how many were skipped. */
  readonly conflate?: boolean;
  /** Also the changing rows of windows that are still open (flows only). They have no position of their own. */
  readonly provisional?: boolean;
}

export interface RowsFrame {
  readonly kind: "rows";
  readonly position: Position;
  readonly previous: Position;
  readonly operation: Operation;
  /** Empty for progress. */
  readonly batch: Batch;
  readonly layout: Layout;
  /**
   * The same position goes on in the next frame (a commit that both appends and corrects). A subscriber keeps such a
   * frame until the one that ends the position, so that a link that drops between them repeats nothing.
   */
  readonly continued?: boolean;
  /** Said for corrections: why the rows changed and what they replace. Places in it are places in this batch. */
  readonly cause?: Cause;
  /** Rows left out by conflation since the frame before. */
  readonly conflated?: number;
}

export interface ProvisionalFrame {
  readonly kind: "provisional";
  /** The source position these rows stand at. */
  readonly asOf: Position;
  readonly batch: Batch;
  readonly layout: Layout;
}

/** What could not be delivered, and why: never an absence. */
export interface GapFrame {
  readonly kind: "gap";
  /** Positions in (after, through] may hold rows that this subscriber will not get from here. */
  readonly after: Position;
  readonly through: Position;
  readonly cause: "conflated" | "retention" | "view_rebuilt";
}

/** The end of a subscription that the server had to end; resume from `cursor`. */
export interface CutFrame {
  readonly kind: "cut";
  readonly cursor: Position;
  readonly cause: "slow_consumer" | "shutdown" | "revoked" | "read_failed";
}

export type Frame = RowsFrame | ProvisionalFrame | GapFrame | CutFrame;

/**
 * Consecutive frames of one channel, handed to every subscriber of a shape alike. An encoding runs once per delivery,
 * however many subscribers ask for it.
 */
export interface Delivery {
  /** The number by which frames name their subscription on the wire. */
  readonly channel: number;
  readonly frames: readonly Frame[];
  /** `encodeBatch` of a frame's batch where it exists already, by place in `frames`. */
  readonly bytes: readonly (Uint8Array | undefined)[];
  readonly rows: number;
  encoded<Bytes>(encoding: Encoding<Bytes>): Bytes;
}

/** A wire form, compared by identity. */
export interface Encoding<Bytes = Uint8Array> {
  encode(delivery: Delivery): Bytes;
}

/** Where frames go. None of its methods may wait; one that throws ends its own subscription only. */
export interface Sink {
  send(delivery: Delivery): void;
  /** Bytes handed over that the consumer has not taken yet. */
  bufferedBytes(): number;
  /** Calls back once, when what was handed over has been taken; never within this call. */
  onceDrained(callback: () => void): void;
}

export interface Subscription {
  readonly channel: number;
  readonly layout: Layout;
  /** The cursor to start from: the first frame follows this position. */
  readonly position: Position;
  /** Position up to which frames were handed to the sink. */
  readonly cursor: Position;
  readonly state: "catching_up" | "live" | "conflating" | "ended";
  close(): void;
}

/** What the hub needs of a pool. */
export interface StreamSource {
  readonly contracts: ReadonlyMap<string, ContractVersion>;
  head(): Position;
  tap(listener: (run: readonly Commit[]) => void): () => void;
  read(
    after: Position,
    limit: { commits?: number; bytes?: number; datasets?: readonly string[] },
  ): Promise<readonly Commit[]>;
  provisional(dataset: string, onlyChanged: boolean): { layout: Layout; batch: Batch; asOf: Position } | undefined;
}

export interface HubLimits {
  /** A subscriber with more than this waiting is slow: it is conflated or cut. Default 8 MiB. */
  readonly bufferedBytes: number;
  /** Catching up pauses while more than this waits. Default 1 MiB. */
  readonly catchUpBytes: number;
  /** Commits of one catch-up read. Default 256. */
  readonly catchUpCommits: number;
  /** Keys a conflating subscriber may have waiting; beyond it is cut. Default 100,000. */
  readonly conflatedKeys: number;
  /** Between progress frames of a shape whose filter lets nothing by. Default 1,000. */
  readonly progressMs: number;
  /** Between provisional frames of a shape. Default 250. */
  readonly provisionalMs: number;
}

export interface HubOptions {
  readonly source: StreamSource;
  readonly environment: Environment;
  readonly limits?: Partial<HubLimits>;
}

/** Counters since the hub was made, and what is there now. */
export interface HubFigures {
  readonly subscriptions: number;
  readonly catchingUp: number;
  readonly conflating: number;
  readonly shapes: number;
  /** Deliveries handed to sinks, and the rows in them. */
  readonly deliveries: number;
  readonly rows: number;
  readonly conflatedRows: number;
  readonly cutSlow: number;
}

export interface Hub {
  /**
   * Starts a subscription; no frame reaches the sink before this returns. Subscriptions of one shape share a channel
   * number; one connection that subscribes to a shape twice names its second one by `variant` 1 and so on, to tell
   * their frames apart.
   * @throws `dataset_unknown`, `field_unknown`, `log_position_unknown`, and what the expression check refuses with.
   */
  subscribe(request: SubscriptionRequest, sink: Sink, variant?: number): Subscription;
  /**
   * A subscription within this process. Its queue is bounded by `bufferedBytes`; an iterator that is too slow gets a
   * cut (or conflated rows) like any other subscriber, and then ends.
   */
  iterate(request: SubscriptionRequest, signal?: AbortSignal): AsyncIterableIterator<Frame>;
  /** Position up to which commits were handed to the shapes. */
  readonly head: Position;
  figures(): HubFigures;
  /** Cuts every subscription with cause `shutdown`. */
  close(): void;
}
