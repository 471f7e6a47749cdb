/** What a user of the client holds. Times are integer microseconds, decimals are text, as in the contracts. */
import type { Environment } from "../src/base/index.ts";
import type { Batch, Layout, Value } from "../src/batch/index.ts";
import type { Fields, RowOf, SeriesContract } from "../src/contract/index.ts";
import type { Expression } from "../src/expression/index.ts";
import type { CutFrame, GapFrame, ProvisionalFrame, RowsFrame } from "../src/subscribe/index.ts";
import type { OpenSocket } from "./socket.ts";

export type AnyRow = Readonly<Record<string, Value>>;

export interface ClientOptions {
  /** Where the server listens, such as `http://127.0.0.1:8000`. */
  readonly url: string;
  /** Asked again for every connection where it is a function. */
  readonly token: string | (() => string | Promise<string>);
  /** Default `columns`. */
  readonly encoding?: "columns" | "json";
  readonly openSocket?: OpenSocket;
  readonly environment?: Environment;
  /** Wait between attempts to connect: doubled from the first to the last, each with random jitter. */
  readonly backoffMs?: { readonly first: number; readonly last: number };
  /** Told when the connection is lost and found again. */
  readonly onState?: (state: "ready" | "lost" | "closed") => void;
}

export interface Account {
  readonly received: number;
  readonly accepted: number;
  readonly duplicate: number;
  readonly quarantined: number;
  readonly late: number;
  readonly refused: number;
}

export interface Rejection {
  /** Place in the appended rows. */
  readonly place: number;
  readonly outcome: string;
  readonly code: string;
  readonly message: string;
  readonly field?: string;
  readonly rule?: string;
  readonly quarantineId?: string;
}

/** What became of an append. It is durable. */
export interface Appended {
  readonly position: number;
  readonly account: Account;
  readonly rejections: readonly Rejection[];
  /** It had been stored by an earlier attempt whose answer was lost. */
  readonly repeated: boolean;
}

export interface LatestAnswer<Row> {
  readonly row: Row;
  readonly position: number;
  readonly place: number;
}

export interface SubscribeOptions {
  /** Text, or a tree. */
  readonly where?: string | Expression;
  readonly fields?: readonly string[];
  /** Default `now`. */
  readonly from?: "now" | "start" | number;
  readonly conflate?: boolean;
  readonly provisional?: boolean;
  /** An iterator that has more than this waiting pauses its subscription and resumes when it is read on. 32 MiB. */
  readonly queueBytes?: number;
}

export interface RowsEvent<Row> extends Omit<RowsFrame, "continued"> {
  /** The batch as objects, made when first asked for. */
  readonly rows: readonly Row[];
}
export interface ProvisionalEvent<Row> extends ProvisionalFrame {
  readonly rows: readonly Row[];
}
export type StreamEvent<Row> = RowsEvent<Row> | ProvisionalEvent<Row> | GapFrame | CutFrame;

/** A running subscription. It resumes by itself after a lost link, a cut or a hole, from its cursor. */
export interface Stream<Row> extends AsyncIterable<StreamEvent<Row>> {
  /** Everything up to here was handed over; undefined before the server has answered. */
  readonly cursor: number | undefined;
  readonly layout: Layout | undefined;
  /** Resolves when the server has taken the subscription. Rejects where it is refused. */
  readonly started: Promise<void>;
  /** Frames that did not follow; each made the stream resume from its cursor. */
  readonly holes: number;
  close(): void;
}

/** Handed every event as it comes. `onEnd` is called once, with an error where the stream cannot go on. */
export interface StreamListener<Row> {
  onEvent(event: StreamEvent<Row>): void;
  onEnd?(error?: Error): void;
}

export interface QueryAnswer {
  readonly position: number;
  readonly view: string;
  readonly layout: Layout;
  readonly batch: Batch;
  readonly rows: readonly AnyRow[];
  readonly next?: string;
}

/** A plan as JSON: see the OpenAPI document. Conditions may be text or trees. */
export type QueryPlan = Readonly<Record<string, unknown>>;

export interface Dataset<Row = AnyRow, Given extends object = Row & object> {
  readonly name: string;
  /** Rows as objects, or a batch in the contract's layout. Resolves when durable; each row has an outcome. */
  append(rows: readonly Given[] | Batch): Promise<Appended>;
  /** The newest row of a key; undefined where the key was never seen. Reads of one turn travel together. */
  latest(...key: readonly (string | number | boolean)[]): Promise<LatestAnswer<Row> | undefined>;
  query(plan?: QueryPlan, signal?: AbortSignal): Promise<QueryAnswer>;
  subscribe(options?: SubscribeOptions, listener?: StreamListener<Row>): Stream<Row>;
  /** The fields in contract order. */
  layout(): Promise<Layout>;
}

export interface Client {
  /** Typed by the contract, or by name. */
  dataset<Declared extends Fields>(contract: SeriesContract<Declared>): Dataset<RowOf<Declared>>;
  dataset(name: string): Dataset<AnyRow, object>;
  /** Newest durable position the server has told of. */
  position(): Promise<number>;
  readonly principal: string;
  /** Ends the streams and the link; what is not answered yet is rejected with `client_closed`. */
  close(): void;
}
