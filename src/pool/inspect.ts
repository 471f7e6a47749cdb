/**
 * What a data folder is like while no pool is open on it: whether the log opens and agrees with its mark, whether the
 * declared contracts fit the stored ones, whether the series file opens. Nothing is stored; a folder without a log is
 * left as it is.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { asMillpondError, type Environment, type MillpondError } from "../base/index.ts";
import { compareContracts } from "../contract/index.ts";
import { openDuckdbSeries } from "../engine/duckdb/index.ts";
import { openSqliteLog } from "../engine/sqlite/index.ts";
import { createLog, type Head } from "../log/index.ts";
import { storedContracts } from "./contracts.ts";
import { contractsOf, type PoolDefinition } from "./definition.ts";

export interface ContractFinding {
  readonly dataset: string;
  readonly kind: "new" | "same" | "compatible" | "incompatible";
  readonly changes: readonly string[];
  readonly plan: readonly string[];
}

export interface FolderInspection {
  /** Undefined where there is no log yet, or an error where it does not open. */
  readonly log: Head | MillpondError | undefined;
  /** Empty where the log does not open. */
  readonly contracts: readonly ContractFinding[];
  /** The position of the series file; undefined where there is none, or an error where it does not open. */
  readonly series: number | MillpondError | undefined;
}

export async function inspectFolder(
  definition: PoolDefinition,
  folder: string,
  environment: Environment,
): Promise<FolderInspection> {
  if (!existsSync(path.join(folder, "log.db"))) return { log: undefined, contracts: [], series: undefined };
  let log: Awaited<ReturnType<typeof openSqliteLog>>;
  try {
    log = await openSqliteLog({ folder, environment });
  } catch (error) {
    return { log: asMillpondError(error), contracts: [], series: undefined };
  }
  const opened = createLog(log, environment);
  try {
    const stored = await storedContracts(opened);
    const contracts = contractsOf(definition).map((declared): ContractFinding => {
      const { name: dataset } = declared;
      const newest = stored.get(dataset)?.at(-1);
      if (newest === undefined) return { dataset, kind: "new", changes: [], plan: [] };
      const difference = compareContracts(newest.contract, declared);
      return { changes: [], plan: [], ...difference, dataset };
    });
    return { log: opened.head, contracts, series: await inspectSeries(folder, environment) };
  } finally {
    await opened.close();
  }
}

async function inspectSeries(folder: string, environment: Environment): Promise<FolderInspection["series"]> {
  const file = path.join(folder, "series.duckdb");
  if (!existsSync(file)) return undefined;
  try {
    const series = await openDuckdbSeries({ file, environment });
    const position = series.durablePosition;
    await series.close();
    return position;
  } catch (error) {
    return asMillpondError(error);
  }
}
