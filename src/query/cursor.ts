/**
 * Cursors: where a page ended, as opaque text. It names its plan and the position the first page stood at, so that all
 * pages are of one state, and holds the ordered values of the last row. Whoever alters one gets rows they may ask for
 * anyway: it is checked for shape, not for secrecy.
 */
import canonicalize from "canonicalize";
import { fromUtf8, toHex, utf8 } from "../base/index.ts";
import type { ColumnKind, Value } from "../batch/index.ts";
import { type Position, sha256 } from "../log/index.ts";
import { invalid } from "./plan-shape.ts";
import type { Plan } from "./types.ts";

export interface Cursor {
  readonly position: Position;
  /** Of the last row, one per ordering term. */
  readonly values: readonly Value[];
}

/** Names a plan, whatever page of it is asked for. */
export function planHash({ after: _after, limit: _limit, atLeast: _atLeast, ...plan }: Plan): string {
  return toHex(sha256(utf8(canonicalize(plan)!))).slice(0, 16);
}

export function writeCursor(plan: Plan, cursor: Cursor): string {
  const text = JSON.stringify([planHash(plan), cursor.position, cursor.values]);
  return Buffer.from(text).toString("base64url");
}

/** `kinds` are those of the ordering terms. @throws `plan_invalid` */
export function readCursor(plan: Plan, kinds: readonly ColumnKind[]): Cursor | undefined {
  if (plan.after === undefined) return undefined;
  const refuse = (reason: string) => invalid("after", reason);
  let given: unknown;
  try {
    given = JSON.parse(fromUtf8(Buffer.from(plan.after, "base64url")));
  } catch {
    throw refuse("not a cursor");
  }
  if (!Array.isArray(given) || given.length !== 3) throw refuse("not a cursor");
  const [hash, position, values] = given as unknown[];
  if (hash !== planHash(plan)) throw refuse("the cursor belongs to another plan; give it only with the same plan");
  const fits =
    Number.isSafeInteger(position) &&
    (position as number) >= 0 &&
    Array.isArray(values) &&
    values.length === kinds.length &&
    values.every((value, index) => value === null || typeof value === typeOfKind[kinds[index]!]);
  if (!fits) throw refuse("not a cursor");
  return { position: position as Position, values: values as Value[] };
}

const typeOfKind: Readonly<Record<ColumnKind, string>> = { number: "number", text: "string", boolean: "boolean" };
