/**
 * The contracts of an open pool: every version is in the log, the declared ones are current. A compatible change
 * becomes a new version by itself; an incompatible one is refused with a plan, before anything else opens. Rows stored
 * under an older version are read in the layout of the current one.
 */

import { type Environment, fail, formatInstant } from "../base/index.ts";
import { type Batch, batchOfRows, encodeBatch, rowsOf } from "../batch/index.ts";
import {
  type Contract,
  type ContractVersion,
  compareContracts,
  contractFromJson,
  contractsContract,
  contractToJson,
  systemContracts,
  upgradeBatch,
} from "../contract/index.ts";
import type { Change, Commit, Draft, Log } from "../log/index.ts";

export interface ContractBook {
  /** The current version of every dataset, Millpond's own included. */
  readonly current: ReadonlyMap<string, ContractVersion>;
  /** The current one where no number is given. */
  version(dataset: string, version?: number): ContractVersion | undefined;
  /** When each version was declared, oldest first. */
  history(dataset: string): readonly ContractVersion[];
  /** Every version of every dataset. */
  all(): readonly ContractVersion[];
  /** The commit with every batch in the layout of its dataset's current contract. */
  upgraded(commit: Commit): Commit;
}

/**
 * Reads the stored contracts, compares them with the declared ones and stores what is new.
 * @throws `contract_incompatible`, whose details say what differs and what to do.
 */
export async function openContracts(
  log: Log,
  declared: readonly Contract[],
  environment: Environment,
): Promise<ContractBook> {
  const versions = await storedContracts(log);
  const current = new Map<string, ContractVersion>();
  for (const contract of systemContracts) {
    versions.set(contract.name, [{ version: 1, contract }]);
    current.set(contract.name, { version: 1, contract });
  }
  const added: ContractVersion[] = [];
  for (const contract of declared) {
    const known = versions.get(contract.name) ?? [];
    const next = nextVersion(known.at(-1), contract);
    if (next !== known.at(-1)) {
      added.push(next);
      versions.set(contract.name, [...known, next]);
    }
    current.set(contract.name, next);
  }
  // Only when all are compatible is any of them stored.
  for (const version of added) await log.append(contractDraft(version, environment));
  return bookOf(versions, current);
}

function nextVersion(stored: ContractVersion | undefined, declared: Contract): ContractVersion {
  if (stored === undefined) return { version: 1, contract: declared };
  const difference = compareContracts(stored.contract, declared);
  if (difference.kind === "same") return stored;
  if (difference.kind === "compatible") return { version: stored.version + 1, contract: declared };
  throw fail("contract_incompatible", {
    dataset: declared.name,
    changes: difference.changes.join("; "),
    plan: difference.plan.join("; "),
  });
}

/** Every stored version by dataset, oldest first. */
export async function storedContracts(log: Log): Promise<Map<string, ContractVersion[]>> {
  const versions = new Map<string, ContractVersion[]>();
  let after = 0;
  for (;;) {
    const commits = await log.read(after, { datasets: [contractsContract.name], commits: 1_000 });
    if (commits.length === 0) return versions;
    for (const { changes } of commits) {
      for (const { dataset, batch } of changes) {
        if (dataset !== contractsContract.name) continue;
        for (const row of rowsOf(contractsContract.layout, batch)) {
          const contract = contractFromJson(JSON.parse(String(row.body)));
          const known = versions.get(contract.name) ?? [];
          versions.set(contract.name, [...known, { version: Number(row.version), contract }]);
        }
      }
    }
    after = commits.at(-1)!.position;
  }
}

function contractDraft({ version, contract }: ContractVersion, environment: Environment): Draft {
  const row = {
    dataset: contract.name,
    version,
    declared_at: environment.clock.now(),
    body: JSON.stringify(contractToJson(contract)),
  };
  environment.logger.log("info", "contract_stored", {
    dataset: contract.name,
    version,
    at: formatInstant(row.declared_at),
  });
  const batch = batchOfRows(contractsContract.layout, [row]);
  return {
    actor: "system",
    cause: { kind: "contract", dataset: contract.name, version },
    changes: [{ dataset: contractsContract.name, contract: 1, operation: "append", batch, bytes: encodeBatch(batch) }],
  };
}

function bookOf(
  versions: ReadonlyMap<string, ContractVersion[]>,
  current: ReadonlyMap<string, ContractVersion>,
): ContractBook {
  const version = (dataset: string, wanted?: number): ContractVersion | undefined =>
    wanted === undefined ? current.get(dataset) : versions.get(dataset)?.find((known) => known.version === wanted);
  const upgradedChange = (change: Change): Change => {
    const now = current.get(change.dataset);
    if (now === undefined || now.version === change.contract) return change;
    const then = version(change.dataset, change.contract);
    if (then === undefined) return change;
    const batch: Batch = upgradeBatch(change.batch, then.contract, now.contract);
    return { ...change, contract: now.version, batch, bytes: encodeBatch(batch) };
  };
  const stale = ({ dataset, contract }: Change): boolean => (current.get(dataset)?.version ?? contract) !== contract;
  return {
    current,
    version,
    history: (dataset) => versions.get(dataset) ?? [],
    all: () => [...versions.values()].flat(),
    upgraded: (commit) =>
      commit.changes.some(stale) ? { ...commit, changes: commit.changes.map(upgradedChange) } : commit,
  };
}

/** The log as readers of current layouts see it; appending and proving are untouched. */
export function withCurrentLayouts(log: Log, book: ContractBook): Log {
  const upgradeRun = (run: readonly Commit[]): readonly Commit[] => run.map(book.upgraded);
  return {
    get head() {
      return log.head;
    },
    append: (draft) => log.append(draft),
    // Live commits are written under current contracts.
    tap: (listener) => log.tap(listener),
    onFailure: (listener) => log.onFailure(listener),
    follow: async function* (after, options) {
      for await (const run of log.follow(after, options)) yield upgradeRun(run);
    },
    read: async (after, limit) => upgradeRun(await log.read(after, limit)),
    positionAt: (at) => log.positionAt(at),
    verify: (from, onProgress) => log.verify(from, onProgress),
    waitFor: (position, signal) => log.waitFor(position, signal),
    figures: () => log.figures(),
    close: () => log.close(),
  };
}
