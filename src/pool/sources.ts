/** What the gate needs, from the durable folds and the series view. */
import { emptyBatch } from "../batch/index.ts";
import type { FeedPolicy } from "../contract/index.ts";
import type { DuckdbSeries } from "../engine/duckdb/index.ts";
import type { GateSources, Sessions } from "../gate/index.ts";
import type { Log } from "../log/index.ts";
import type { Query } from "../query/index.ts";
import type { Folds, Latest, ViewRunner } from "../view/index.ts";
import type { ContractBook } from "./contracts.ts";
import type { PoolDefinition } from "./definition.ts";
import { openQuarantineRows } from "./quarantine.ts";

export interface SourceParts {
  readonly definition: PoolDefinition;
  readonly contracts: ContractBook;
  readonly log: Log;
  readonly latest: Latest;
  readonly sessions: Sessions;
  readonly folds: Folds;
  readonly series: DuckdbSeries;
  readonly seriesRunner: ViewRunner;
  readonly query: Query;
}

export function gateSources(parts: SourceParts): GateSources {
  const { definition, contracts, log, latest, sessions, folds, series, seriesRunner, query } = parts;
  const policies = policiesOf(definition);
  return {
    contracts: contracts.current,
    policy: (feed, dataset) => policies.get(`${feed} ${dataset}`),
    append: (draft) => log.append(draft),
    sessions,
    position: () => folds.position,
    // A dataset without rows yet has columns all the same.
    newestRows: (dataset) =>
      latest.keys(dataset) > 0 ? latest.all(dataset) : emptyBatch(contracts.current.get(dataset)!.contract.layout),
    storedRows: async (dataset, keysOf, from, through, atLeast) => {
      // The series sees what it was given, durable in its own file or not: no flush for a look-up.
      await seriesRunner.waitFor(atLeast, { visible: false });
      return series.storedRows(dataset, keysOf, from, through, true);
    },
    quarantinedRows: (ids) => openQuarantineRows(query, ids),
  };
}

/** The very objects that were declared: what the gate compiles from one is kept with it. */
function policiesOf({ feeds }: PoolDefinition): ReadonlyMap<string, FeedPolicy> {
  return new Map(
    feeds.flatMap(({ name, dataset, policy }) => (policy ? [[`${name} ${dataset}`, policy] as const] : [])),
  );
}
