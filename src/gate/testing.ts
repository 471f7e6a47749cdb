/**
 * Durable sources held in memory, for the tests of this room: a log whose groups end when and how the test says, and
 * a store that is never fresher than it is asked to be.
 */
import { createEnvironment, type Environment, fail } from "../base/index.ts";
import { type Batch, batchOfCells, decodeBatch, rowsOf, type Value, valueAt } from "../batch/index.ts";
import {
  type Contract,
  type ContractVersion,
  type FeedPolicy,
  quarantineContract,
  resolutionsContract,
} from "../contract/index.ts";
import type { Commit, Draft, Position, Receipt } from "../log/index.ts";
import { createAccounts } from "./accounts.ts";
import { createGate, type RunningGate } from "./gate.ts";
import { createSessions } from "./sessions.ts";
import type { GateOptions, GateSources, Incoming, QuarantinedRow } from "./types.ts";

interface WaitingDraft {
  readonly draft: Draft;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: Error) => void;
}

export class MemorySources implements GateSources {
  readonly contracts: Map<string, ContractVersion>;
  readonly commits: Commit[] = [];
  readonly waiting: WaitingDraft[] = [];
  readonly sessions;
  readonly accounts = createAccounts(quarantineContract.layout);
  readonly policies: FeedPolicy[] = [];
  readonly lookups: { rows: number; from: number; through: number; atLeast: Position }[] = [];
  readonly environment: Environment;
  readonly logged: string[] = [];
  #gates = 0;
  /** Groups end by themselves, in the next microtask. */
  automatic = true;
  /** Called when a group fails, before its drafts reject. */
  onFailure: () => void = () => {};
  /** Called with each look-up in history; it may throw or wait. */
  beforeLookup: () => Promise<void> = () => Promise.resolve();

  constructor(...contracts: readonly Contract[]) {
    const all = [...contracts, quarantineContract, resolutionsContract];
    this.contracts = new Map(all.map((contract) => [contract.name, { version: 1, contract }]));
    this.sessions = createSessions((dataset) => this.contracts.get(dataset)?.contract);
    const logger = {
      log: (_: string, event: string) => {
        this.logged.push(event);
      },
      with: () => logger,
    };
    this.environment = createEnvironment({ logger, clock: { now: () => 1_000_000, monotonicMs: () => 0 } });
  }
  /** A gate on what is durable; those made before it are dead, as after a crash. */
  gate(options: GateOptions = {}): RunningGate {
    const living = ++this.#gates;
    this.loseWaiting();
    const append = (draft: Draft) => (living === this.#gates ? this.append(draft) : Promise.reject(fail("log_closed")));
    const sources: GateSources = Object.assign(Object.create(this) as GateSources, { append });
    return createGate(sources, this.environment, options);
  }

  policy(feed: string, dataset: string): FeedPolicy | undefined {
    return this.policies.find((policy) => policy.feed === feed && policy.dataset === dataset);
  }
  append(draft: Draft): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ draft, resolve, reject });
      if (this.automatic) queueMicrotask(() => this.flush());
    });
  }
  /** Makes what waits durable. */
  flush(): void {
    for (const { draft, resolve } of this.waiting.splice(0)) {
      const position = this.commits.length + 1;
      const hash = new Uint8Array(32).fill(position);
      const receipt = { position, at: position * 10, hash };
      const changes = draft.changes.map((change) => ({ ...change, batch: decodeBatch(change.bytes) }));
      const commit = { ...receipt, actor: draft.actor, cause: draft.cause, changes, previous: new Uint8Array(32) };
      this.commits.push(commit);
      this.sessions.apply([commit]);
      this.accounts.apply([commit]);
      resolve(receipt);
    }
  }
  /** What waits is lost. */
  loseWaiting(): void {
    const lost = this.waiting.splice(0);
    if (lost.length > 0) this.onFailure();
    for (const { reject } of lost) reject(fail("log_storage_full"));
  }
  position(): Position {
    return this.commits.length;
  }
  /** The rows that hold, in log order. */
  cells(dataset: string, through: Position = this.commits.length): Value[][] {
    const { contract } = this.contracts.get(dataset)!;
    const identity = identityOf(contract);
    let rows: Value[][] = [];
    for (const { position, changes } of this.commits) {
      for (const change of changes) {
        if (change.dataset !== dataset || position > through) continue;
        const added = cellsOf(change.batch);
        if (change.operation === "correct") {
          for (const row of added) rows = [...rows.filter((other) => identity(other) !== identity(row)), row];
        } else rows.push(...added);
      }
    }
    return rows;
  }
  newestRows(dataset: string): Batch {
    const { contract } = this.contracts.get(dataset)!;
    const newest = new Map<string, Value[]>();
    for (const row of this.cells(dataset)) {
      const key = keyOf(contract)(row);
      const known = newest.get(key);
      if (known === undefined || timeOf(contract)(row) >= timeOf(contract)(known)) newest.set(key, row);
    }
    return batchOfCells(contract.layout, newest.values());
  }
  async storedRows(dataset: string, keysOf: Batch, from: number, through: number, atLeast: Position): Promise<Batch> {
    this.lookups.push({ rows: keysOf.count, from, through, atLeast });
    await this.beforeLookup();
    const { contract } = this.contracts.get(dataset)!;
    const keys = new Set(cellsOf(keysOf).map(keyOf(contract)));
    const rows = this.cells(dataset, atLeast).filter((row) => {
      const time = timeOf(contract)(row);
      return keys.has(keyOf(contract)(row)) && time >= from && time <= through;
    });
    return batchOfCells(contract.layout, rows);
  }
  quarantinedRows(ids: readonly string[]): Promise<readonly QuarantinedRow[]> {
    const resolved = new Set(this.cells("_resolutions").map(([id]) => id));
    return Promise.resolve(this.quarantine().filter(({ id }) => ids.includes(id) && !resolved.has(id)));
  }
  quarantine(): readonly QuarantinedRow[] {
    const { layout } = quarantineContract;
    return rowsOf(layout, batchOfCells(layout, this.cells("_quarantine"))) as unknown as QuarantinedRow[];
  }
}

export function cellsOf(batch: Batch): Value[][] {
  return Array.from({ length: batch.count }, (_, place) => batch.columns.map((column) => valueAt(column, place)));
}

export const keyOf = ({ key, layout }: Contract) => {
  const places = key.map((name) => layout.findIndex((field) => field.name === name));
  return (row: readonly Value[]): string => JSON.stringify(places.map((place) => row[place]));
};
export const timeOf = ({ time, layout }: Contract) => {
  const place = layout.findIndex((field) => field.name === time);
  return (row: readonly Value[]): number => row[place] as number;
};
export const identityOf = (contract: Contract) => (row: readonly Value[]) =>
  `${keyOf(contract)(row)}@${timeOf(contract)(row)}`;

/** Submits batches of one feed with rising numbers. */
export function sender(gate: RunningGate, dataset: string, feed = "feed", session = "s") {
  let batch = 0;
  return (incoming: Incoming | readonly unknown[]) =>
    gate.submit({
      dataset,
      feed,
      session,
      batch: ++batch,
      actor: `feed:${feed}`,
      incoming: "kind" in incoming ? incoming : { kind: "rows", rows: incoming },
    });
}
