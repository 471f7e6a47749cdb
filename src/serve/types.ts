/** What the server needs of a pool. The composition root provides it; the server knows no engine. */
import type { Batch, Layout } from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import type { ImportLayout, ImportProgress, ImportReport } from "../feed/index.ts";
import type { Admission, Submission } from "../gate/index.ts";
import type { Commit, Position, Receipt } from "../log/index.ts";
import type { Answer, Plan } from "../query/index.ts";
import type { Latest } from "../view/index.ts";

export interface PoolDoor {
  readonly name: string;
  readonly contracts: ReadonlyMap<string, ContractVersion>;
  readonly latest: Latest;
  /** Newest durable position. */
  head(): Position;
  submit(submission: Submission): Promise<Admission>;
  lastBatch(feed: string, session: string): number;
  retry(ids: readonly string[], actor: string): Promise<Admission>;
  discard(ids: readonly string[], actor: string): Promise<Receipt>;
  query(plan: Plan, signal?: AbortSignal): Promise<Answer>;
  /** Durable commits live, once each, in order, synchronously. */
  tap(listener: (run: readonly Commit[]) => void): () => void;
  /** Commits after a position that touch one of the datasets, then live ones are the tap's business. */
  read(
    after: Position,
    limit: { commits?: number; bytes?: number; datasets?: readonly string[] },
  ): Promise<readonly Commit[]>;
  /** Rows of open windows of a derived dataset; undefined where the dataset is not derived. */
  provisional(dataset: string, onlyChanged: boolean): { layout: Layout; batch: Batch; asOf: Position } | undefined;
  explain(dataset: string, key: readonly (string | number | boolean)[], at?: number): Promise<unknown>;
  /** Live figures of every chain, feed, view, task; plain JSON. */
  chains(): unknown;
  feeds(): unknown;
  tasks(): unknown;
  accounts(): readonly FeedTotals[];
  /** Brings a file on this machine through the gate; an aborted signal ends it with a report of what is durable. */
  import(file: string, request: ImportRequest, onProgress?: (progress: ImportProgress) => void): Promise<ImportResult>;
  verify(onProgress?: (done: number, of: number) => void): Promise<unknown>;
  rebuild(view: string): Promise<void>;
  /** Not ready says why: starting, replaying, log read-only, a view too far behind. */
  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] };
  figures(): readonly Figure[];
}

export type { ImportProgress };

export interface ImportRequest {
  /** A declared feed of kind `import`; default: one that takes what the layout gives. */
  readonly feed?: string;
  /** Only feeds into this dataset. */
  readonly dataset?: string;
  /** By name or as data not yet checked; default: found out from the file. */
  readonly layout?: ImportLayout["name"] | object;
  readonly symbol?: string;
  readonly timeframe?: string;
  readonly date?: string;
  readonly zone?: string;
  readonly encoding?: "utf-8" | "latin1";
  readonly actor: string;
  readonly signal?: AbortSignal;
}

export interface ImportResult extends ImportReport {
  readonly feed: string;
  readonly dataset: string;
  /** It was ended by its signal; the account says what is durable all the same. */
  readonly stopped: boolean;
  /** Why rows were not accepted, most frequent first. Of one batch at most 1,000 quarantined and refused rows are counted. */
  readonly reasons: readonly {
    readonly outcome: string;
    readonly code: string;
    readonly rule?: string;
    readonly rows: number;
  }[];
}

export interface FeedTotals {
  readonly feed: string;
  readonly dataset: string;
  readonly received: number;
  readonly accepted: number;
  readonly duplicate: number;
  readonly quarantined: number;
  readonly late: number;
  readonly refused: number;
  readonly unaccounted: number;
}

/** One sample of a metric. Label values come from declarations only, so their number is bounded. */
export interface Figure {
  /** snake_case with unit last: `millpond_rows_total`, `millpond_view_lag_positions`. */
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Who calls: looked up from a token. */
export interface Principal {
  /** `user:ann`, `service:charts`. */
  readonly id: string;
  readonly scopes: readonly ("read" | "write" | "admin")[];
}

/** Sign-in behind the doors. Never logs or returns a token. */
export interface Authenticator {
  authenticate(token: string): Principal | undefined;
}
