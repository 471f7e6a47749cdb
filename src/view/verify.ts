/**
 * Shows that a view equals the log: the rows of a dataset up to one position, counted and hashed on both sides without
 * regard to order, streaming. Every revision counts, as the view stores every one.
 */
import { assert } from "../base/index.ts";
import { RowFingerprint } from "../batch/index.ts";
import { type ContractVersion, upgradeBatch } from "../contract/index.ts";
import type { Log } from "../log/index.ts";
import type { View, ViewReport } from "./types.ts";

/** Flushes the view first. `versions` are all versions of the dataset's contract that the log may hold. */
export async function verifyView(view: View, log: Log, versions: readonly ContractVersion[]): Promise<ViewReport> {
  await view.flush();
  const position = view.durablePosition;
  const newest = versions.reduce((best, version) => (version.version > best.version ? version : best));
  const dataset = newest.contract.name;
  const stored = new RowFingerprint();
  for await (const batch of view.scan(dataset, position)) stored.add(batch);
  const expected = new RowFingerprint();
  const limit = { commits: 1024, bytes: 8 * 1024 * 1024, datasets: [dataset], through: position };
  for (let after = 0; ; ) {
    const run = await log.read(after, limit);
    for (const { changes } of run) {
      for (const change of changes) {
        if (change.dataset !== dataset) continue;
        const version = versions.find((candidate) => candidate.version === change.contract);
        assert(version, "every contract version in the log is given");
        expected.add(upgradeBatch(change.batch, version.contract, newest.contract));
      }
    }
    const last = run[run.length - 1];
    if (last === undefined) break;
    after = last.position;
  }
  const equal = stored.rows === expected.rows && stored.hash === expected.hash;
  return {
    view: view.name,
    dataset,
    position,
    rows: stored.rows,
    hash: stored.hash,
    expectedRows: expected.rows,
    expectedHash: expected.hash,
    equal,
  };
}
