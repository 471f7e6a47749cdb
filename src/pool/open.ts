/**
 * Opens a declared pool in a folder: the one place where engines, rooms and declarations meet. What must hold: nothing
 * is offered to the outside before the log is held against its mark, the contracts are settled and every fold stands at
 * the head; and closing goes the other way round, so that what was acknowledged is durable and what was not is not.
 */
import path from "node:path";
import { asMillpondError, createEnvironment, type Environment, type MillpondError } from "../base/index.ts";
import { quarantineContract } from "../contract/index.ts";
import { type DuckdbSeries, dropDuckdbSeries, openDuckdbSeries } from "../engine/duckdb/index.ts";
import { createFileSnapshots } from "../engine/files/index.ts";
import { openSqliteLog } from "../engine/sqlite/index.ts";
import {
  type Accounts,
  createAccounts,
  createGate,
  createSessions,
  type RunningGate,
  type Sessions,
} from "../gate/index.ts";
import { createLog, type Fold, type Log } from "../log/index.ts";
import { createSupervisor, type Supervisor } from "../operate/index.ts";
import { createQuery, type Query } from "../query/index.ts";
import { createHub, type Hub } from "../subscribe/index.ts";
import {
  createFolds,
  createLatest,
  createViewRunner,
  type Folds,
  type Latest,
  type ViewRunner,
} from "../view/index.ts";
import { type ContractBook, openContracts, withCurrentLayouts } from "./contracts.ts";
import { contractsOf, flowsInOrder, type PoolDefinition } from "./definition.ts";
import { createFlowDriver, type FlowDriver } from "./flows.ts";
import { gateSources } from "./sources.ts";

export interface PoolOptions {
  /** Made where it does not exist. */
  readonly folder: string;
  readonly environment?: Environment;
  /** Open although acknowledged commits are missing from the end of the log; the loss is recorded. */
  readonly acceptLoss?: boolean;
  /** `normal` gives up durability over a power cut; for measurements alone. */
  readonly synchronous?: "full" | "normal";
}

/** The parts of an open pool, for the rooms of `pool` that build its doors. */
export interface PoolParts {
  readonly definition: PoolDefinition;
  readonly folder: string;
  readonly environment: Environment;
  readonly log: Log;
  /** The same log, its batches still under the contracts they were stored with. */
  readonly stored: Log;
  readonly contracts: ContractBook;
  readonly latest: Latest & Fold;
  readonly sessions: Sessions;
  readonly accounts: Accounts;
  readonly folds: Folds;
  readonly flowFolds: Folds;
  readonly gate: RunningGate;
  readonly flows: FlowDriver;
  readonly series: DuckdbSeries;
  readonly seriesRunner: ViewRunner;
  readonly query: Query;
  readonly hub: Hub;
  readonly supervisor: Supervisor;
  /** The last failure of the log, until an append succeeds again. */
  logFailure(): MillpondError | undefined;
  close(): Promise<void>;
}

/** @throws whatever the log, the contracts or a view refuse to open with; nothing stays open then. */
export async function openParts(definition: PoolDefinition, options: PoolOptions): Promise<PoolParts> {
  const environment = options.environment ?? createEnvironment();
  const closing: (() => Promise<unknown>)[] = [];
  // What fails to close must not keep the rest open; the first failure is told when all are closed.
  const closeAll = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const close of closing.splice(0).reverse()) await close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    return await assemble(definition, options, environment, closing, closeAll);
  } catch (error) {
    await closeAll().catch(() => {});
    throw error;
  }
}

async function assemble(
  definition: PoolDefinition,
  { folder, acceptLoss, synchronous }: PoolOptions,
  environment: Environment,
  closing: (() => Promise<unknown>)[],
  closeAll: () => Promise<void>,
): Promise<PoolParts> {
  const store = await openSqliteLog({
    folder,
    environment,
    ...(acceptLoss === undefined ? {} : { acceptLoss }),
    ...(synchronous === undefined ? {} : { synchronous }),
  });
  const stored = createLog(store, environment, LOG_LIMITS);
  closing.push(() => stored.close());

  const contracts = await openContracts(stored, contractsOf(definition), environment);
  const log = withCurrentLayouts(stored, contracts);
  const versionOf = (dataset: string, version?: number) => contracts.version(dataset, version);
  const latest = createLatest({ contract: versionOf });
  const sessions = createSessions((dataset, version) => versionOf(dataset, version)?.contract);
  const accounts = createAccounts(quarantineContract.layout);
  const snapshots = createFileSnapshots(path.join(folder, "snapshots"));
  const folds = createFolds([latest, sessions, accounts], log, snapshots, environment, SAVES);
  const flows = createFlowDriver(flowsInOrder(definition), contracts.current, log, environment);
  const flowFolds = createFolds(flows.flows, log, snapshots, environment, SAVES);
  const series = await openSeries(path.join(folder, "series.duckdb"), environment);
  closing.push(() => series.close());
  await Promise.all([folds.start(), flowFolds.start()]);

  const supervisor = createSupervisor(environment);
  const seriesRunner = createViewRunner(series, log, environment, {
    contracts: () => contracts.all(),
    gatherMs: SERIES_GATHER_MS,
  });
  const query = createQuery({ engine: series, runner: seriesRunner, contracts: contracts.current, log, environment });
  const gate = createGate(
    gateSources({ definition, contracts, log, latest, sessions, folds, series, seriesRunner, query }),
    environment,
    GATE_LIMITS,
  );
  let logFailure: MillpondError | undefined;
  log.onFailure((error) => {
    logFailure = asMillpondError(error);
    gate.rebuild();
  });

  // The order of taps is the order of life: folds first, since receipts promise them; then pushes; then flows.
  await folds.attach();
  closing.push(() => folds.close());
  const hub = createHub({ source: streamSource(contracts, log, flows, flowFolds), environment });
  await flowFolds.attach();
  closing.push(() => flowFolds.close());
  flows.goLive();
  const untap = log.tap(() => {
    logFailure = undefined;
    flows.pump();
  });
  closing.push(async () => untap());
  closing.push(() => flows.settle());
  supervisor.run("view series", (signal) => seriesRunner.run(signal));
  closing.push(async () => {
    await seriesRunner.waitFor(log.head.position, { signal: AbortSignal.timeout(CLOSE_FLUSH_MS) }).catch(() => {});
    await supervisor.close();
  });
  closing.push(async () => hub.close());

  return {
    ...{
      definition,
      folder,
      environment,
      log,
      stored,
      contracts,
      latest,
      sessions,
      accounts,
      folds,
      flowFolds,
      gate,
      flows,
    },
    ...{ series, seriesRunner, query, hub, supervisor },
    logFailure: () => logFailure,
    close: closeAll,
  };
}

const CLOSE_FLUSH_MS = 5_000;
/**
 * The gate refuses first, batch by batch and before it judges; the log's own limit lies far behind, so that it never
 * drops a draft that later ones were judged on.
 */
const GATE_LIMITS = { maxWaitingRows: 200_000, maxWaitingBytes: 32 * 1024 * 1024 };
const LOG_LIMITS = { maxWaitingDrafts: 1_000_000, maxWaitingBytes: 1024 * 1024 * 1024 };

/** Every save syncs files beside the log; what is not saved is folded again at the next start, within a second or so. */
const SAVES = { saveRows: 3_000_000, saveCommits: 50_000, saveMs: 60_000 };
/** A commit of the series stops the disk for the log as well; a question that must be fresh makes its own. */
const SERIES_COMMIT_MS = 5_000;
const SERIES_GATHER_MS = 20;
/** What DuckDB may hold in memory; it fills what it is given, and writes larger work to disk. */
const SERIES_MEMORY = "384MB";

/** A series file that cannot be read is only a view: it is dropped and filled again from the log. */
async function openSeries(file: string, environment: Environment): Promise<DuckdbSeries> {
  try {
    return await openDuckdbSeries({ file, environment, commitMs: SERIES_COMMIT_MS, memoryLimit: SERIES_MEMORY });
  } catch (error) {
    if (asMillpondError(error).code !== "view_corrupt") throw error;
    environment.logger.log("error", "view_dropped", { view: "series", code: "view_corrupt" });
    await dropDuckdbSeries(file);
    return openDuckdbSeries({ file, environment, commitMs: SERIES_COMMIT_MS, memoryLimit: SERIES_MEMORY });
  }
}

function streamSource(contracts: ContractBook, log: Log, flows: FlowDriver, flowFolds: Folds) {
  return {
    contracts: contracts.current,
    head: () => log.head.position,
    tap: (listener: Parameters<Log["tap"]>[0]) => log.tap(listener),
    read: (after: number, limit: Parameters<Log["read"]>[1]) => log.read(after, limit),
    provisional: (dataset: string, onlyChanged: boolean) => provisionalOf(flows, flowFolds, dataset, onlyChanged),
  };
}

export function provisionalOf(flows: FlowDriver, flowFolds: Folds, dataset: string, onlyChanged: boolean) {
  const flow = flows.flowInto(dataset);
  return flow && { layout: flow.layout, batch: flow.provisional(onlyChanged), asOf: flowFolds.position };
}
