/** Held by the type checker: where two types differ `Same` is false, to which `true` cannot be assigned. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boolean,
  decimal,
  duration,
  enumeration,
  float,
  instant,
  integer,
  json,
  optional,
  type RowOf,
  series,
  text,
} from "./index.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<Given> = { readonly [Name in keyof Given]: Given[Name] };

const everything = series("everything", {
  fields: {
    id: text(),
    at: instant(),
    price: float({ unit: "EUR" }),
    size: integer(),
    open: boolean(),
    took: duration(),
    amount: decimal({ scale: 2 }),
    extra: json(),
    side: enumeration(["buy", "sell"]),
    note: optional(text({ max: 10 })),
    score: optional(float()),
    kind: optional(enumeration(["a", "b"])),
  },
  key: ["id", "side"],
  time: "at",
});

type Row = Flat<RowOf<typeof everything.fields>>;
interface Expected {
  readonly id: string;
  readonly at: number;
  readonly price: number;
  readonly size: number;
  readonly open: boolean;
  readonly took: number;
  readonly amount: string;
  readonly extra: string;
  readonly side: "buy" | "sell";
  readonly note: string | null;
  readonly score: number | null;
  readonly kind: "a" | "b" | null;
}
const rowIsExact: Same<Row, Flat<Expected>> = true;
const nullableIsKnown: Same<(typeof everything.fields.note)["nullable"], true> = true;
const requiredIsKnown: Same<(typeof everything.fields.id)["nullable"], false> = true;
const differs: Same<RowOf<{ a: typeof everything.fields.id }>, { readonly a: number }> = false;

test("the row type follows from the fields", () => {
  assert.deepEqual([rowIsExact, nullableIsKnown, requiredIsKnown, differs], [true, true, true, false]);
  const row: RowOf<typeof everything.fields>["side"] = "buy";
  assert.equal(everything.fields.side.options.includes(row), true);
});
