/** Small conditions as trees, for the questions that the pool itself asks. */

import { fail } from "../base/index.ts";
import type { Layout, Value, ValueType } from "../batch/index.ts";
import type { Expression } from "../expression/index.ts";

export const field = (name: string): Expression => ({ op: "field", name });

export const literalOf = (type: ValueType, value: Value): Expression => ({ op: "literal", type, value });

/** `field = value`, the value typed as the field is. @throws `field_unknown` */
export function equals(layout: Layout, name: string, value: string | number | boolean): Expression {
  const known = layout.find((each) => each.name === name);
  if (known === undefined)
    throw fail("field_unknown", { dataset: "", field: name, known: layout.map((each) => each.name) });
  return { op: "eq", left: field(name), right: literalOf(known.type, value) };
}
