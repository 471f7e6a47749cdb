/**
 * Flows: declared derivations of one dataset from another. A flow is data (expressions, windows, aggregates), runs
 * live row by row in log order, and gives the same rows again whenever the log is replayed, however the rows were
 * grouped into batches when they arrived.
 */
import type { Batch, Layout } from "../batch/index.ts";
import type { Fields, SeriesContract } from "../contract/index.ts";
import type { Aggregate, Expression } from "../expression/index.ts";
import type { Cause, Draft, Fold, Position } from "../log/index.ts";

export interface WindowSpec {
  /** Length in microseconds; windows start at whole multiples of `hop` since 1970. */
  readonly every: number;
  /** Distance between starts: `every` for tumbling windows, else a whole fraction of it. */
  readonly hop: number;
  /** How far, in microseconds, the newest event time of a source session must be past a window's end to close it. */
  readonly lateness: number;
  /** How many closed windows are kept so that late rows can reopen them. */
  readonly retained: number;
}

/** Derived values by windows of event time. */
export interface WindowFlowSpec<Derived extends Fields = Fields> {
  readonly kind: "window";
  readonly name: string;
  readonly source: string;
  /** Over the fields of the source. Rows for which it is false or null still move the watermark. */
  readonly where?: Expression;
  /** Added columns by name, usable by later ones and in aggregates. */
  readonly derive: Readonly<Record<string, Expression>>;
  /** Key fields of the source by which windows are kept apart. */
  readonly by: readonly string[];
  readonly window: WindowSpec;
  readonly aggregates: Readonly<Record<string, Aggregate>>;
  readonly into: SeriesContract<Derived>;
}

/** Row by row: filter and derive. Every field of the source goes along. */
export interface MapFlowSpec<Derived extends Fields = Fields> {
  readonly kind: "map";
  readonly name: string;
  readonly source: string;
  readonly where?: Expression;
  readonly derive: Readonly<Record<string, Expression>>;
  readonly into: SeriesContract<Derived>;
}

/** Technical indicators over the rows of each key, in event-time order: one row out for each row in. */
export interface IndicatorFlowSpec<Derived extends Fields = Fields> {
  readonly kind: "indicators";
  readonly name: string;
  readonly source: string;
  readonly indicators: readonly IndicatorSpec[];
  /** How many rows of each key are kept so that corrections and late rows can be worked in. */
  readonly retained: number;
  readonly into: SeriesContract<Derived>;
}

/** The declaration, as data. */
export type FlowSpec<Derived extends Fields = Fields> =
  | WindowFlowSpec<Derived>
  | MapFlowSpec<Derived>
  | IndicatorFlowSpec<Derived>;

export type IndicatorName = "sma" | "ema" | "rsi" | "macd" | "bollinger" | "atr";

export interface IndicatorSpec {
  /** Name of its first output field; further ones are `<as>_<output>`, see `outputsOf`. */
  readonly as: string;
  readonly indicator: IndicatorName;
  readonly parameters: Readonly<Record<string, number>>;
  /** Names of the source fields it reads (`close`, or `high`, `low`, `close`). */
  readonly inputs: readonly string[];
}

/** A source row that could not be worked into the rows it belongs to: never dropped without being said. */
export interface LeftOut {
  readonly reason: /** Its window or its place in the history is closed and no longer kept. */
    | "beyond_retention"
    /** A correction in a source where key and time do not name one row. */
    | "correction_ambiguous"
    /** A corrected row that does not pass the filter any more: the row derived from its former self stands. */
    | "no_longer_matches";
  readonly position: Position;
  readonly sourcePlace: number;
  /** Start of the window, or event time of the row: microseconds. */
  readonly time: number;
}

/** The cause of derived commits. A commit may hold no rows at all, only `leftOut`. */
export type FlowCause = Extract<Cause, { readonly kind: "flow" }> & { readonly leftOut?: readonly LeftOut[] };

export interface FlowFigures {
  readonly openWindows: number;
  /** Closed windows, or rows of history, that can still be reopened. */
  readonly retained: number;
  readonly keys: number;
  /** Derived rows that are not yet seen in the log. */
  readonly waitingRows: number;
  /** Since the first commit: */
  readonly rows: number;
  readonly corrections: number;
  readonly leftOut: number;
}

/**
 * A running flow: state folded from the log, and the drafts that come out of it. `apply` wants every commit, those of
 * this flow itself included.
 */
export interface RunningFlow extends Fold {
  /** Another one for every other declaration: state saved under another version must not be loaded. */
  readonly version: number;
  readonly spec: FlowSpec;
  /** Source position up to which derived rows are in the log. */
  readonly through: Position;
  /**
   * To be called once when every stored commit has been applied, after creation or `load`. Only now is it certain
   * which derived rows the log lacks: before it, `takeDrafts` gives nothing.
   */
  goLive(): void;
  /**
   * The derived rows since the last call as drafts, to be appended in order. They stay waiting until `apply` sees
   * their commit; they are not given again unless `retake` is called.
   */
  takeDrafts(): readonly Draft[];
  /** After a failed append: what is not in the log will be given again. No taken draft may still be under way. */
  retake(): void;
  /** The open windows as provisional rows, or only those changed since the last call; always empty without windows. */
  provisional(onlyChanged: boolean): Batch;
  readonly layout: Layout;
  readonly openWindows: number;
  figures(): FlowFigures;
}
