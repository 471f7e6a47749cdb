/**
 * What the benchmark asks of each candidate, Millpond included. `start` and `reset` run in the benchmark's own process;
 * the four roles run in processes of their own, with the `connection` that `start` gave, as JSON.
 */
import type { BarSums, Tick } from "./tick.ts";

export type Workload = "W1" | "W2" | "W3" | "W4" | "W5" | "W6";

export interface Peer {
  readonly name: string;
  /** What an acknowledgement means; compare only candidates of one class. */
  readonly durability: string;
  readonly note: string;
  readonly workloads: readonly Workload[];
  /** Without a subscriber W1 is ingest alone. */
  readonly pushes: boolean;
  /** Says why it cannot run here, or undefined. */
  unavailable(): Promise<string | undefined>;
  start(folder: string): Promise<Started>;
}

export interface Started {
  /** Changed in place where a reset moves the data. */
  readonly connection: unknown;
  /** Process whose CPU time is the server's. */
  readonly pid?: number;
  /** Empties everything; subscribers then start from nothing. */
  reset(): Promise<void>;
  /** Untimed: lets projections catch up before reads. */
  settle?(): Promise<void>;
  stop(): Promise<void>;
}

/** A module of roles, loaded in the role processes. */
export interface Roles {
  producer(connection: unknown): Promise<Producer>;
  subscribe(
    connection: unknown,
    count: number,
    onTicks: (which: number, ticks: readonly Tick[]) => void,
  ): Promise<Closable>;
  reader?(connection: unknown): Promise<Reader>;
  ohlc?(connection: unknown): Promise<BarSums>;
}

export interface Closable {
  close(): Promise<void>;
}
export interface Producer extends Closable {
  /** Resolves when the ticks are durable in the candidate's sense. */
  send(ticks: readonly Tick[]): Promise<unknown>;
}
export interface Reader extends Closable {
  latest(symbol: string): Promise<Tick | undefined> | Tick | undefined;
}
