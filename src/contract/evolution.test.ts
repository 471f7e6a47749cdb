import assert from "node:assert/strict";
import { test } from "node:test";
import { batchOfRows, rowsOf } from "../batch/index.ts";
import {
  compareContracts,
  compileDecoder,
  decimal,
  enumeration,
  type Fields,
  float,
  instant,
  integer,
  optional,
  rule,
  type SeriesContract,
  type SeriesDeclaration,
  series,
  text,
  upgradeBatch,
} from "./index.ts";

const fields = {
  id: text({ max: 10 }),
  at: instant(),
  price: optional(float({ min: 0, max: 100, unit: "EUR" })),
  side: enumeration(["buy", "sell"]),
  amount: decimal({ scale: 2 }),
  owner: text({ classification: "confidential", personalData: "name" }),
};
const base = { fields, key: ["id"], time: "at" } as const;
const declare = (over: Partial<SeriesDeclaration<Fields>> = {}): SeriesContract =>
  series("orders", { ...base, ...over } as SeriesDeclaration<Fields>);
const withFields = (over: Fields): SeriesContract => declare({ fields: { ...fields, ...over } });
const without = (name: keyof typeof fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([field]) => field !== name));

const stored = declare();
const loose = withFields({ side: text({ max: 4 }) });

const compatible: readonly (readonly [SeriesContract, SeriesContract, RegExp])[] = [
  [stored, withFields({ note: optional(text()) }), /optional field 'note' is added/],
  [stored, withFields({ side: enumeration(["hold", "buy", "sell"]) }), /option 'hold' of 'side' is added/],
  [stored, withFields({ side: text({ max: 4 }) }), /'side' is no longer an enumeration/],
  [stored, withFields({ price: optional(float({ min: -1, max: 100, unit: "EUR" })) }), /lower bound .* widened/],
  [stored, withFields({ price: optional(float({ min: 0, unit: "EUR" })) }), /upper bound .* widened/],
  [stored, withFields({ id: text({ max: 11 }) }), /length of 'id' is widened/],
  [stored, withFields({ amount: decimal() }), /scale of 'amount' is widened/],
  [stored, withFields({ amount: optional(decimal({ scale: 2 })) }), /'amount' becomes optional/],
  [stored, withFields({ amount: decimal({ scale: 2, unit: "EUR" }) }), /said to be in EUR/],
  [stored, withFields({ amount: decimal({ scale: 2, description: "paid" }) }), /description of 'amount'/],
  [stored, withFields({ amount: decimal({ scale: 2, classification: "restricted" }) }), /raised to restricted/],
  [stored, withFields({ id: text({ max: 10, personalData: "account" }) }), /said to be account/],
  [stored, declare({ rules: (terms) => [rule("paid", terms.price!.isNotNull())] }), /rule 'paid' is added/],
  [stored, declare({ description: "all orders" }), /the description changes/],
  [stored, declare({ lateness: "1m", keepRaw: true, retention: "7d" }), /lateness changes from no bound to 1m/],
];

for (const [before, after, change] of compatible) {
  test(`compatible: ${change.source}`, () => {
    const compared = compareContracts(before, after);
    assert(compared.kind === "compatible", JSON.stringify(compared));
    assert.match(compared.changes.join("\n"), change);
  });
}

const incompatible: readonly (readonly [SeriesContract, SeriesContract, RegExp, RegExp])[] = [
  [stored, declare({ fields: without("amount") }), /'amount' is removed/, /keep field 'amount'/],
  [
    stored,
    declare({ fields: { ...without("amount"), total: optional(decimal({ scale: 2 })) } }),
    /'amount' is removed; was it renamed to 'total'\?/,
    /under its name/,
  ],
  [stored, withFields({ amount: float() }), /'amount' changes from decimal to float/, /optional field of the new type/],
  [stored, withFields({ total: integer() }), /required field 'total' is added/, /make 'total' optional/],
  [
    stored,
    declare({ fields: { note: optional(text()), ...fields } }),
    /the order of the fields changes/,
    /new fields at the end/,
  ],
  [
    stored,
    declare({ fields: { ...without("price"), price: fields.price } }),
    /the order of the fields changes/,
    /stored order/,
  ],
  [stored, declare({ key: ["id", "side"] }), /the key changes from \(id\) to \(id, side\)/, /keep name, key/],
  [stored, declare({ identity: "keyTime" }), /identity changes/, /keep name, key/],
  [
    withFields({ seen: instant() }),
    declare({ fields: { ...fields, seen: instant() }, time: "seen" }),
    /time field changes from 'at' to 'seen'/,
    /keep name, key/,
  ],
  [
    stored,
    withFields({ price: float({ min: 0, max: 100, unit: "EUR" }) }),
    /becomes required/,
    /keep 'price' optional/,
  ],
  [
    stored,
    withFields({ price: optional(float({ min: 1, max: 100, unit: "EUR" })) }),
    /lower bound .* narrowed/,
    /rule/,
  ],
  [stored, withFields({ price: optional(float({ min: 0, max: 99, unit: "EUR" })) }), /upper bound .* narrowed/, /rule/],
  [stored, withFields({ id: text({ max: 9 }) }), /length of 'id' is narrowed/, /rule/],
  [stored, withFields({ amount: decimal({ scale: 1 }) }), /scale of 'amount' is narrowed/, /rule/],
  [stored, withFields({ side: enumeration(["buy"]) }), /option 'sell' of 'side' is removed/, /rule/],
  [
    loose,
    declare({ fields: { ...loose.fields, side: enumeration(["buy", "sell"]) } }),
    /becomes an enumeration/,
    /rule/,
  ],
  [stored, withFields({ side: text({ max: 3 }) }), /narrowed below its options/, /rule/],
  [stored, withFields({ price: optional(float({ min: 0, max: 100, unit: "USD" })) }), /from EUR to USD/, /by a flow/],
  [stored, withFields({ owner: text({ personalData: "name" }) }), /lowered to internal/, /how 'owner' is guarded/],
  [stored, withFields({ owner: text({ classification: "confidential" }) }), /no longer .* personal/, /guarded/],
];

for (const [before, after, change, step] of incompatible) {
  test(`incompatible: ${change.source}`, () => {
    const compared = compareContracts(before, after);
    assert(compared.kind === "incompatible", JSON.stringify(compared));
    assert.match(compared.changes.join("\n"), change);
    assert.match(compared.plan.join("\n"), step);
    assert.match(compared.plan.join("\n"), /declare a new dataset \(for example 'orders_v2'\).*and a flow/);
  });
}

test("a removed or changed rule is compatible, an equal contract the same", () => {
  const other = declare({ rules: (terms) => [rule("paid", terms.price!.gt(0))] });
  const before = declare({ rules: (terms) => [rule("paid", terms.price!.isNotNull())] });
  const changed = compareContracts(before, other);
  const removed = compareContracts(before, stored);
  assert.deepEqual(changed, { kind: "compatible", changes: ["rule 'paid' changes"] });
  assert.deepEqual(removed, { kind: "compatible", changes: ["rule 'paid' is removed"] });
  assert.deepEqual(compareContracts(stored, declare()), { kind: "same" });
});

test("batches of an older version are read in the layout of the newer", () => {
  const newer = withFields({ note: optional(text()), score: optional(float()) });
  const row = { id: "a", at: 1, price: null, side: "buy", amount: "1", owner: "x" };
  const batch = batchOfRows(stored.layout, [row, { ...row, id: "b" }]);
  const upgraded = upgradeBatch(batch, stored, newer);
  assert.deepEqual(
    rowsOf(newer.layout, upgraded),
    ["a", "b"].map((id) => ({ ...row, id, note: null, score: null })),
  );
  const checked = compileDecoder(newer).checkColumns(upgraded);
  assert.equal(checked.batch, upgraded);
  assert.equal(upgradeBatch(batch, stored, stored), batch);
  assert.equal(upgradeBatch({ count: 0, columns: batchOfRows(stored.layout, []).columns }, stored, newer).count, 0);
  assert.throws(() => upgradeBatch(upgraded, newer, stored), /only adds fields/);
});
