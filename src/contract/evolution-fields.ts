/** The part of evolution that looks at fields. */
import { classificationRank, lengthLimit } from "./fields.ts";
import type { Contract, Field } from "./types.ts";

/** Gathers changes; those that break come with a step of the plan. */
export class Changes {
  readonly compatible: string[] = [];
  readonly breaking: string[] = [];
  readonly plan: string[] = [];

  allow(change: string): void {
    this.compatible.push(change);
  }
  refuse(change: string, step: string): void {
    this.breaking.push(change);
    if (!this.plan.includes(step)) this.plan.push(step);
  }
}

export function compareFields(stored: Contract, declared: Contract, changes: Changes): void {
  const before = Object.entries(stored.fields);
  const after = Object.entries(declared.fields);
  const removed = before.filter(([name]) => !Object.hasOwn(declared.fields, name));
  const added = after.filter(([name]) => !Object.hasOwn(stored.fields, name));
  for (const [name, field] of removed) {
    const heir = added.find(([, other]) => other.type === field.type)?.[0];
    const guess = heir === undefined ? "" : `; was it renamed to '${heir}'?`;
    changes.refuse(`field '${name}' is removed${guess}`, `keep field '${name}' in its place under its name`);
  }
  const kept = after.filter(([name]) => Object.hasOwn(stored.fields, name)).map(([name]) => name);
  const order = before.filter(([name]) => Object.hasOwn(declared.fields, name)).map(([name]) => name);
  const inPlace = after.slice(0, kept.length).every(([name]) => Object.hasOwn(stored.fields, name));
  if (kept.join() !== order.join() || !inPlace) {
    changes.refuse("the order of the fields changes", "keep the stored order and add new fields at the end");
  }
  for (const [name, field] of added) {
    if (field.nullable) changes.allow(`optional field '${name}' is added`);
    else changes.refuse(`required field '${name}' is added`, `make '${name}' optional: stored rows do not have it`);
  }
  for (const name of kept) compareField(name, stored.fields[name]!, declared.fields[name]!, changes);
}

function compareField(name: string, stored: Field, declared: Field, changes: Changes): void {
  if (stored.type !== declared.type) {
    const step = `keep the type of '${name}', or add another optional field of the new type at the end`;
    changes.refuse(`field '${name}' changes from ${stored.type} to ${declared.type}`, step);
    return;
  }
  if (stored.nullable !== declared.nullable) {
    if (declared.nullable) changes.allow(`field '${name}' becomes optional`);
    else changes.refuse(`field '${name}' becomes required`, `keep '${name}' optional: stored rows may have nulls`);
  }
  compareLimits(name, stored, declared, changes);
  compareMeaning(name, stored, declared, changes);
}

/** Each limit as a number that is greater the wider it is. */
function limitsOf(field: Field): readonly (readonly [limit: string, width: number])[] {
  return [
    ["lower bound", -(field.minimum ?? Number.NEGATIVE_INFINITY)],
    ["upper bound", field.maximum ?? Number.POSITIVE_INFINITY],
    ["scale", field.scale ?? 38],
    // The options of an enumeration say more than its length does.
    ["length", field.options === undefined ? lengthLimit(field) : 0],
  ];
}

function compareLimits(name: string, stored: Field, declared: Field, changes: Changes): void {
  const wider = limitsOf(declared);
  limitsOf(stored).forEach(([limit, width], index) => {
    const now = wider[index]![1];
    if (limit === "length" && stored.options !== declared.options && !(stored.options && declared.options)) return;
    if (now > width) changes.allow(`the ${limit} of '${name}' is widened`);
    else if (now < width) narrowed(name, `the ${limit} of '${name}' is narrowed`, changes);
  });
  compareOptions(name, stored, declared, changes);
}

function compareOptions(name: string, stored: Field, declared: Field, changes: Changes): void {
  const { options: before } = stored;
  const { options: after } = declared;
  if (before === undefined && after === undefined) return;
  if (before === undefined) {
    narrowed(name, `'${name}' becomes an enumeration`, changes);
    return;
  }
  const longest = Math.max(...before.map((option) => [...option].length));
  if (after === undefined) {
    if (lengthLimit(declared) >= longest) changes.allow(`'${name}' is no longer an enumeration`);
    else narrowed(name, `the length of '${name}' is narrowed below its options`, changes);
    return;
  }
  for (const option of before) {
    if (!after.includes(option)) narrowed(name, `option '${option}' of '${name}' is removed`, changes);
  }
  for (const option of after) if (!before.includes(option)) changes.allow(`option '${option}' of '${name}' is added`);
}

function narrowed(name: string, change: string, changes: Changes): void {
  changes.refuse(
    change,
    `keep what '${name}' allows, as stored rows may use it, and reject new rows by a rule instead`,
  );
}

function compareMeaning(name: string, stored: Field, declared: Field, changes: Changes): void {
  if (stored.description !== declared.description) changes.allow(`the description of '${name}' changes`);
  if (stored.unit !== declared.unit) {
    if (stored.unit === undefined) changes.allow(`'${name}' is said to be in ${declared.unit}`);
    else {
      const step = `keep the unit of '${name}', and derive the other unit into a field of its own by a flow`;
      changes.refuse(`the unit of '${name}' changes from ${stored.unit} to ${declared.unit ?? "none"}`, step);
    }
  }
  const raised = classificationRank(declared.classification) - classificationRank(stored.classification);
  const guard = `keep how '${name}' is guarded: stored rows were taken in under that promise`;
  if (raised > 0) changes.allow(`the classification of '${name}' is raised to ${declared.classification}`);
  if (raised < 0) changes.refuse(`the classification of '${name}' is lowered to ${declared.classification}`, guard);
  if (stored.personalData === declared.personalData) return;
  if (declared.personalData === "none") changes.refuse(`'${name}' is no longer said to be personal data`, guard);
  else changes.allow(`the personal data in '${name}' is said to be ${declared.personalData}`);
}
