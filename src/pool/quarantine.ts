/** Kept rows as the gate and people need them: looked up by id, without those that were resolved, and put aside. */

import { type Environment, fail } from "../base/index.ts";
import { batchOfRows, encodeBatch, type Row, rowsOf } from "../batch/index.ts";
import { quarantineContract, resolutionsContract } from "../contract/index.ts";
import type { Expression } from "../expression/index.ts";
import type { QuarantinedRow } from "../gate/index.ts";
import type { Log, Receipt } from "../log/index.ts";
import type { Query } from "../query/index.ts";

const MOST_IDS = 1_000;

const idIn = (ids: readonly string[]): Expression => ({
  op: "in",
  value: { op: "field", name: "id" },
  options: ids.map((id) => ({ op: "literal", type: "text", value: id })),
});

/** Rows by id that no resolution names yet, seeing every durable commit. */
export async function openQuarantineRows(query: Query, ids: readonly string[]): Promise<readonly QuarantinedRow[]> {
  const rows: QuarantinedRow[] = [];
  for (let from = 0; from < ids.length; from += MOST_IDS) {
    const some = ids.slice(from, from + MOST_IDS);
    const found = await select(query, quarantineContract.name, some);
    const resolved = new Set((await select(query, resolutionsContract.name, some)).map(({ id }) => id));
    for (const row of found) if (!resolved.has(row.id!)) rows.push(row as unknown as QuarantinedRow);
  }
  return rows;
}

async function select(query: Query, dataset: string, ids: readonly string[]): Promise<Row[]> {
  const { layout, batch } = await query.run({ dataset, where: idIn(ids), limit: MOST_IDS });
  return rowsOf(layout, batch);
}

/** Marks kept rows as not worth another try. @throws `quarantine_unknown` where one is not there or resolved already. */
export async function discardRows(
  ids: readonly string[],
  actor: string,
  { query, log, environment }: { query: Query; log: Log; environment: Environment },
): Promise<Receipt> {
  const open = new Set((await openQuarantineRows(query, ids)).map(({ id }) => id));
  const unknown = ids.filter((id) => !open.has(id));
  if (unknown.length > 0) throw fail("quarantine_unknown", { ids: unknown.slice(0, 10) });
  const resolved_at = environment.clock.now();
  const rows = ids.map((id) => ({ id, resolved_at, resolution: "discarded", actor, outcome: "discarded" }));
  const batch = batchOfRows(resolutionsContract.layout, rows);
  const { name: dataset } = resolutionsContract;
  const none = { received: 0, accepted: 0, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
  return log.append({
    actor,
    cause: { kind: "retry", rows: ids, account: none },
    changes: [{ dataset, contract: 1, operation: "append", batch, bytes: encodeBatch(batch) }],
  });
}
