/** Filters and columns: one generated loop over a batch each. */
import { assert } from "../../base/index.ts";
import { type Batch, type Column, ColumnBuilder, type ColumnKind, columnKind, type Layout } from "../../batch/index.ts";
import { checkCondition, checkedTypes } from "../check.ts";
import type { Expression } from "../types.ts";
import { assemble, inTwoForms } from "./assemble.ts";
import type { Emitter } from "./emitter.ts";

type FilterLoop = (columns: readonly Column[], count: number, places: Uint32Array) => number;

/** Writes the places of the rows for which a condition is true, in order, and gives how many there are. */
export type Filter = (batch: Batch, places: Uint32Array) => number;

/** `places` must have room for as many entries as the batch has rows. @throws as `checkExpression` does */
export function compileFilter(expression: Expression, layout: Layout): Filter {
  const types = checkCondition(expression, layout, { allowPrevious: false });
  const loopFor = inTwoForms<FilterLoop>((access) => {
    const body = (emitter: Emitter) => {
      const { isTrue } = emitter.condition(expression);
      return (prologue: string) => `${prologue}
let found = 0;
for (let i = 0; i < count; i++) {
${emitter.lines.join("\n")}
places[found] = i;
found += ${isTrue} ? 1 : 0;
}
return found;`;
    };
    return assemble({ layout, types, parameters: "columns, count, places", body }, access);
  }, layout);
  return (batch, places) => {
    assert(places.length >= batch.count, "the places have room for every row");
    return loopFor(batch)(batch.columns, batch.count, places);
  };
}

type ColumnLoop = (columns: readonly Column[], count: number, builder: ColumnBuilder | undefined) => Column;

/** The values of an expression for each row; of a plain field the batch's own column. @throws as `checkExpression` */
export function compileColumn(expression: Expression, layout: Layout): (batch: Batch) => Column {
  const types = checkedTypes(expression, layout, { allowPrevious: false });
  if (expression.op === "field") {
    const index = layout.findIndex(({ name }) => name === expression.name);
    return (batch) => batch.columns[index]!;
  }
  const kind = columnKind(types.get(expression)!.type);
  const loopFor = inTwoForms<ColumnLoop>((access) => {
    const body = (emitter: Emitter) => {
      const result = resultCode(emitter, expression, kind);
      return (prologue: string) => loopCode(kind, prologue, emitter.lines.join("\n"), result);
    };
    return assemble({ layout, types, parameters: "columns, count, builder", body }, access);
  }, layout);
  return (batch) =>
    loopFor(batch)(batch.columns, batch.count, kind === "text" ? new ColumnBuilder(kind, batch.count) : undefined);
}

function resultCode(emitter: Emitter, expression: Expression, kind: ColumnKind): string {
  if (kind === "number") return emitter.settled(expression).code;
  return kind === "text" ? emitter.text(expression).code : emitter.ternary(expression);
}

function loopCode(kind: ColumnKind, prologue: string, lines: string, result: string): string {
  if (kind === "text") {
    return `${prologue}
for (let i = 0; i < count; i++) {
${lines}
if (${result} === null) builder.addNull(); else builder.addText(${result});
}
return builder.finish();`;
  }
  const [made, isNull] =
    kind === "number" ? ["Float64Array", `${result} !== ${result}`] : ["Uint8Array", `${result} === 2`];
  return `${prologue}
const values = new ${made}(count);
let nulls = null;
for (let i = 0; i < count; i++) {
${lines}
if (${isNull}) {
if (nulls === null) nulls = new Uint8Array(count);
nulls[i] = 1;
} else values[i] = ${result} + 0;
}
return { kind: "${kind}", values, nulls };`;
}
