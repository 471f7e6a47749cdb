/**
 * Verification: the hash chain from the first commit, and every view against the log. The log is read back from its
 * store; nothing in memory is believed.
 */
import { RowFingerprint } from "../batch/index.ts";
import type { Position, VerifyReport } from "../log/index.ts";
import { createLatest, type ViewReport, verifyView } from "../view/index.ts";
import type { PoolParts } from "./open.ts";

export interface PoolVerification {
  readonly ok: boolean;
  readonly log: { readonly commits: number; readonly head: Position; readonly fault: VerifyReport["fault"] | null };
  /** Empty where the log has a fault: there is nothing then to hold views against. */
  readonly views: readonly ViewReport[];
  /** Rows received and not accounted for; always 0. */
  readonly unaccounted: number;
}

const READ = { commits: 1_024, bytes: 8 * 1024 * 1024 };

/** @param onProgress commits checked so far, and how many there are */
export async function verifyPool(
  parts: PoolParts,
  onProgress: (done: number, of: number) => void = () => {},
): Promise<PoolVerification> {
  const { log, contracts, series, seriesRunner, accounts } = parts;
  const of = log.head.position;
  const chain = await log.verify(1, (position) => onProgress(position, of));
  const views: ViewReport[] = [];
  const unaccounted = accounts.totals().reduce((sum, totals) => sum + Math.abs(totals.unaccounted), 0);
  // Views are held against a log that is whole: behind a fault even reading it may fail.
  if (chain.fault !== undefined) return { ok: false, log: logReport(chain), views, unaccounted };
  await seriesRunner.waitFor(of);
  for (const dataset of contracts.current.keys()) {
    views.push(await verifyView(series, log, contracts.history(dataset)));
  }
  views.push(...(await verifyLatest(parts)));
  const ok = unaccounted === 0 && views.every(({ equal }) => equal);
  return { ok, log: logReport(chain), views, unaccounted };
}

const logReport = ({ commits, head, fault }: VerifyReport): PoolVerification["log"] => ({
  commits,
  head: head.position,
  fault: fault ?? null,
});

/** Folds the latest values anew from the log, up to where the live ones stand, and compares. */
async function verifyLatest({ log, contracts, latest, folds }: PoolParts): Promise<ViewReport[]> {
  const anew = createLatest({ contract: contracts.version });
  const datasets = [...contracts.current.keys()].filter((dataset) => !dataset.startsWith("_"));
  let after = 0;
  // Commits go on arriving: the comparison is made in one turn, when both stand at the same position.
  while (after < folds.position) {
    const run = await log.read(after, READ);
    anew.apply(run);
    after = run.at(-1)?.position ?? after;
  }
  return datasets.map((dataset) => {
    const [stored, expected] = [new RowFingerprint(), new RowFingerprint()];
    stored.add(latest.all(dataset));
    expected.add(anew.all(dataset));
    return {
      view: "latest",
      dataset,
      position: after,
      rows: stored.rows,
      hash: stored.hash,
      expectedRows: expected.rows,
      expectedHash: expected.hash,
      equal: stored.rows === expected.rows && stored.hash === expected.hash,
    };
  });
}
