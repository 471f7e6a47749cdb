/**
 * All rules of a contract as one generated function. It judges one row after the other, because a rule may look at the
 * newest accepted row of the same key before it, which depends on how the rows so far were judged.
 */
import { assert } from "../../base/index.ts";
import { type Batch, columnKind, type Layout } from "../../batch/index.ts";
import { checkCondition } from "../check.ts";
import { previousInputs } from "../tree.ts";
import type { Expression } from "../types.ts";
import type { Typed } from "../typing.ts";
import { assemble, type BatchAccess, inTwoForms } from "./assemble.ts";
import type { Emitter } from "./emitter.ts";

/**
 * The newest accepted row of each key, by slot. The caller changes the contents between rows; the arrays themselves
 * stay the same while a batch is bound.
 */
export interface PreviousRows {
  /** By slot: 1 where there is an accepted row. */
  readonly present: Uint8Array;
  /** By column index, then by slot; only those of `previousFields` are read. */
  readonly values: readonly (Float64Array | (string | null)[] | Uint8Array | undefined)[];
  /** 1 where the value is null; undefined where none is. Texts are null by themselves as well. */
  readonly nulls: readonly (Uint8Array | undefined)[];
}

/** The rules that are false of a row, one bit each, the first rule lowest. Null passes. */
export type Judge = (place: number, slot: number) => number;

export interface CompiledRules {
  /** Indexes of the columns whose previous value some rule reads. */
  readonly previousFields: readonly number[];
  bind(batch: Batch, previous: PreviousRows): Judge;
}

type Binder = (
  columns: Batch["columns"],
  present: Uint8Array,
  values: PreviousRows["values"],
  nulls: PreviousRows["nulls"],
) => Judge;

export const maximumRules = 31;

/** @throws as `checkExpression` does */
export function compileRules(rules: readonly Expression[], layout: Layout): CompiledRules {
  assert(rules.length <= maximumRules, `at most ${maximumRules} rules fit one mask`);
  const types = new Map<Expression, Typed>();
  for (const rule of rules) for (const [node, typed] of checkCondition(rule, layout)) types.set(node, typed);
  const names = new Set(rules.flatMap((rule) => [...previousInputs(rule)]));
  const previousFields = layout.flatMap(({ name }, index) => (names.has(name) ? [index] : []));
  if (rules.length === 0) return { previousFields, bind: () => () => 0 };

  const binderFor = inTwoForms<Binder>((batchAccess) => {
    const access = new RuleAccess(batchAccess, layout);
    const body = (emitter: Emitter) => {
      const bits = rules.map((rule, index) => `(${emitter.condition(rule).isFalse} ? ${2 ** index} : 0)`);
      return (prologue: string) => `${prologue}
return function (i, slot) {
${emitter.lines.join("\n")}
return ${bits.join(" | ")};
};`;
    };
    return assemble({ layout, types, parameters: "columns, present, previousValues, previousNulls", body }, access);
  }, layout);
  return {
    previousFields,
    bind: (batch, { present, values, nulls }) => binderFor(batch)(batch.columns, present, values, nulls),
  };
}

/** Reads the batch as any other, and the previous rows by `slot`. */
class RuleAccess {
  readonly #batch: BatchAccess;
  readonly #layout: Layout;
  readonly #used = new Set<number>();

  constructor(batch: BatchAccess, layout: Layout) {
    this.#batch = batch;
    this.#layout = layout;
  }
  field(index: number) {
    return this.#batch.field(index);
  }
  place(index: number): string {
    return this.#batch.place(index);
  }
  previous(index: number): { readonly code: string } {
    this.#used.add(index);
    const missing = { number: "NaN", text: "null", boolean: "2" }[columnKind(this.#layout[index]!.type)];
    const isThere = `present[slot] === 1 && (q${index} === undefined || q${index}[slot] === 0)`;
    return { code: `${isThere} ? p${index}[slot] : ${missing}` };
  }
  prologue(): string[] {
    const arrays = [...this.#used].map(
      (index) => `const p${index} = previousValues[${index}], q${index} = previousNulls[${index}];`,
    );
    return [...this.#batch.prologue(), ...arrays];
  }
}
