/** What the code of an expression is made of, and what the parts that write it share. See `emitter.ts`. */
import type { Expression } from "../types.ts";
import type { Range } from "../typing.ts";

export interface NumberCode {
  readonly kind: "number";
  readonly code: string;
  readonly nullable: boolean;
  readonly range: Range;
}
export interface TextCode {
  readonly kind: "text";
  readonly code: string;
  readonly nullable: boolean;
}
export interface BooleanCode {
  readonly kind: "boolean";
  readonly isTrue: string;
  readonly isFalse: string;
  readonly nullable: boolean;
}
export type Code = NumberCode | TextCode | BooleanCode;

/** A code that is one plain name. */
export type Held = NumberCode | TextCode | (BooleanCode & { readonly code: string });

/** Writes code line by line; the value of an expression is computed once and then known by a name. */
export interface RowEmitter {
  emit(node: Expression): Code;
  condition(node: Expression): BooleanCode;
  text(node: Expression): TextCode;
  /** May be infinite where its range is `any`. */
  number(node: Expression): NumberCode;
  /** A number that is finite or NaN for null. */
  settled(node: Expression): NumberCode;
  /** A boolean as one value: 1, 0, or 2 for null. */
  ternary(node: Expression): string;
  /** Gives a value a name. */
  name(code: string): string;
}

/** The opposite of an operator has the same two conditions the other way round. */
export function pair(swapped: boolean, holds: string, fails: string, nullable: boolean): BooleanCode {
  return { kind: "boolean", isTrue: swapped ? fails : holds, isFalse: swapped ? holds : fails, nullable };
}

export const numberText = (value: number): string => (value < 0 ? `(${value})` : String(value + 0));

/** A boolean held as 1, 0 or 2 for null. */
export const ternaryCode = (code: string, nullable: boolean): BooleanCode & { readonly code: string } => ({
  kind: "boolean",
  code,
  isTrue: `(${code} === 1)`,
  isFalse: `(${code} === 0)`,
  nullable,
});

export function numberCode(emitter: RowEmitter, code: string, nullable: boolean, range: Range): NumberCode {
  return { kind: "number", code: emitter.name(code), nullable, range };
}

export function textCode(emitter: RowEmitter, code: string, nullable: boolean): TextCode {
  return { kind: "text", code: emitter.name(code), nullable };
}
