/**
 * How a stored contract may become another. A change is compatible when every stored row is a right row of the new
 * contract once its missing columns are filled with nulls, and when nothing about stored rows is said more loosely
 * than it was promised; anything else needs a person and gets a plan in words.
 */

import { assert, formatDuration } from "../base/index.ts";
import type { Batch, Column } from "../batch/index.ts";
import { columnKind } from "../batch/index.ts";
import { Changes, compareFields } from "./evolution-fields.ts";
import { contractText } from "./json.ts";
import type { Contract } from "./types.ts";

export type Comparison =
  | { readonly kind: "same" }
  | { readonly kind: "compatible"; readonly changes: readonly string[] }
  | { readonly kind: "incompatible"; readonly changes: readonly string[]; readonly plan: readonly string[] };

/** What it takes for the stored contract to become the declared one. */
export function compareContracts(stored: Contract, declared: Contract): Comparison {
  if (contractText(stored) === contractText(declared)) return { kind: "same" };
  const changes = new Changes();
  compareIdentity(stored, declared, changes);
  compareFields(stored, declared, changes);
  compareRules(stored, declared, changes);
  compareSettings(stored, declared, changes);
  if (changes.breaking.length === 0) return { kind: "compatible", changes: changes.compatible };
  const next = nextName(declared.name);
  return {
    kind: "incompatible",
    changes: changes.breaking,
    plan: [
      ...changes.plan,
      `otherwise leave '${stored.name}' as it is stored, declare a new dataset (for example '${next}') with the ` +
        `contract you want, and a flow from '${stored.name}' into it that makes the new fields from the old`,
      `move the feeds and readers over to the new dataset, then retire '${stored.name}'`,
    ],
  };
}

/** `ticks` → `ticks_v2` → `ticks_v3` */
function nextName(name: string): string {
  const [, stem = name, version = "1"] = /^(.+)_v(\d+)$/.exec(name) ?? [];
  return `${stem}_v${Number(version) + 1}`;
}

function compareIdentity(stored: Contract, declared: Contract, changes: Changes): void {
  const step = "keep name, key, time and identity: they decide which stored rows are the same row";
  if (stored.name !== declared.name) changes.refuse(`the name changes from '${stored.name}'`, step);
  if (stored.kind !== declared.kind) changes.refuse(`the kind changes from ${stored.kind}`, step);
  if (stored.key.join() !== declared.key.join()) {
    changes.refuse(`the key changes from (${stored.key.join(", ")}) to (${declared.key.join(", ")})`, step);
  }
  if (stored.time !== declared.time) {
    changes.refuse(`the time field changes from '${stored.time}' to '${declared.time}'`, step);
  }
  if (stored.identity !== declared.identity) {
    changes.refuse(`identity changes from ${stored.identity} to ${declared.identity}`, step);
  }
}

/** Rules judge rows as they arrive; stored rows keep the verdict of their own contract version. */
function compareRules(stored: Contract, declared: Contract, changes: Changes): void {
  const before = new Map(stored.rules.map((rule) => [rule.name, rule]));
  for (const rule of declared.rules) {
    const was = before.get(rule.name);
    before.delete(rule.name);
    if (was === undefined) changes.allow(`rule '${rule.name}' is added`);
    else if (JSON.stringify(was) !== JSON.stringify(rule)) changes.allow(`rule '${rule.name}' changes`);
  }
  for (const name of before.keys()) changes.allow(`rule '${name}' is removed`);
}

function compareSettings(stored: Contract, declared: Contract, changes: Changes): void {
  if (stored.description !== declared.description) changes.allow("the description changes");
  if (stored.keepRaw !== declared.keepRaw) changes.allow(`keepRaw changes to ${declared.keepRaw}`);
  const span = (micros: number | null): string => (micros === null ? "no bound" : formatDuration(micros));
  for (const setting of ["lateness", "retention"] as const) {
    if (stored[setting] === declared[setting]) continue;
    changes.allow(`${setting} changes from ${span(stored[setting])} to ${span(declared[setting])}`);
  }
}

/**
 * A batch stored under an older, compatible version in the layout of a newer one: columns that were added since are
 * null. The given batch itself where none were.
 */
export function upgradeBatch(batch: Batch, from: Contract, to: Contract): Batch {
  assert(batch.columns.length === from.layout.length, "the batch is in the layout of the older contract");
  assert(
    from.layout.every((field, index) => field.name === to.layout[index]?.name && field.type === to.layout[index].type),
    "the newer contract only adds fields at the end",
  );
  if (from.layout.length === to.layout.length) return batch;
  const added = to.layout.slice(from.layout.length).map(({ type }) => nullColumn(columnKind(type), batch.count));
  return { count: batch.count, columns: [...batch.columns, ...added] };
}

function nullColumn(kind: Column["kind"], count: number): Column {
  const nulls = count === 0 ? null : new Uint8Array(count).fill(1);
  if (kind === "number") return { kind, values: new Float64Array(count), nulls };
  if (kind === "boolean") return { kind, values: new Uint8Array(count), nulls };
  return { kind, dictionary: count === 0 ? [] : [""], indexes: new Uint32Array(count), nulls };
}
