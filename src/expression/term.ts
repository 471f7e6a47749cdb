/**
 * The builder: terms with methods that make larger terms, `t.bid.plus(t.ask).dividedBy(2)`. The TypeScript type of a
 * field decides which methods there are, so that `t.symbol.abs()` does not compile; the same rules hold again when
 * the program runs. Plain values stand for literals; instants and durations may be given as text.
 */
import type { ValueType } from "../batch/index.ts";
import type { Expression } from "./types.ts";

/** Any term of a type: as much of it as one needs to be given to another. */
export interface Term<T extends ValueType = ValueType, Nullable extends boolean = boolean> {
  readonly expression: Expression;
  readonly type: T;
  readonly nullable: Nullable;
}

/** What can be asked of every term. */
export interface ValueTerm<T extends ValueType = ValueType, Nullable extends boolean = boolean>
  extends Term<T, Nullable> {
  eq(other: Operand<T>): BooleanTerm;
  ne(other: Operand<T>): BooleanTerm;
  in(options: readonly Operand<T>[]): BooleanTerm;
  isNull(): BooleanTerm<false>;
  isNotNull(): BooleanTerm<false>;
  /** The first of this and the others that is not null. */
  coalesce(...others: readonly Operand<T>[]): TermOf<T>;
  /** The same over the newest accepted row of the key before this one; null where there is none. */
  previous(): TermOf<T, true>;
}

export interface OrderedTerm<T extends ValueType = ValueType, Nullable extends boolean = boolean>
  extends ValueTerm<T, Nullable> {
  lt(other: Operand<T>): BooleanTerm;
  lte(other: Operand<T>): BooleanTerm;
  gt(other: Operand<T>): BooleanTerm;
  gte(other: Operand<T>): BooleanTerm;
  /** Both bounds included. */
  between(low: Operand<T>, high: Operand<T>): BooleanTerm;
}

export interface BooleanTerm<Nullable extends boolean = boolean> extends ValueTerm<"boolean", Nullable> {
  and(...others: readonly Operand<"boolean">[]): BooleanTerm;
  or(...others: readonly Operand<"boolean">[]): BooleanTerm;
  not(): BooleanTerm<Nullable>;
}

export type NumberType = "integer" | "float";

export interface NumberTerm<T extends NumberType = NumberType, Nullable extends boolean = boolean>
  extends OrderedTerm<T, Nullable> {
  plus(other: Operand<NumberType>): NumberTerm;
  minus(other: Operand<NumberType>): NumberTerm;
  times(other: Operand<NumberType>): NumberTerm;
  dividedBy(other: Operand<NumberType>): NumberTerm<"float">;
  /** With the sign of this term. */
  remainder(other: Operand<NumberType>): NumberTerm;
  negate(): NumberTerm<T, Nullable>;
  abs(): NumberTerm<T, Nullable>;
  /** Half away from zero; digits 0 (default) to 12. */
  round(digits?: number): NumberTerm<T>;
  floor(): NumberTerm<T, Nullable>;
  ceiling(): NumberTerm<T, Nullable>;
  /** This less its previous value. */
  change(): NumberTerm<T, true>;
}

export interface TextTerm<Nullable extends boolean = boolean> extends OrderedTerm<"text", Nullable> {
  /** In code points. */
  length(): NumberTerm<"integer", Nullable>;
  /** ASCII letters only. */
  lower(): TextTerm<Nullable>;
  upper(): TextTerm<Nullable>;
  concat(...others: readonly Operand<"text">[]): TextTerm;
  startsWith(part: Operand<"text">): BooleanTerm;
  endsWith(part: Operand<"text">): BooleanTerm;
  contains(part: Operand<"text">): BooleanTerm;
  /** The text up to the first occurrence of the separator; all of it where there is none. */
  before(separator: string): TextTerm<Nullable>;
}

export interface InstantTerm<Nullable extends boolean = boolean> extends OrderedTerm<"instant", Nullable> {
  plus(duration: Operand<"duration">): InstantTerm;
  minus(instant: Term<"instant">): DurationTerm;
  minus(duration: Operand<"duration">): InstantTerm;
  /** The start of the tumbling window of this width, counted from 1970, in which the instant lies. */
  truncate(width: string | number): InstantTerm<Nullable>;
  /** The time since the previous value. */
  change(): DurationTerm<true>;
  elapsed(): DurationTerm<true>;
}

export interface DurationTerm<Nullable extends boolean = boolean> extends OrderedTerm<"duration", Nullable> {
  plus(instant: Term<"instant">): InstantTerm;
  plus(duration: Operand<"duration">): DurationTerm;
  minus(duration: Operand<"duration">): DurationTerm;
  times(count: Operand<"integer">): DurationTerm;
  dividedBy(duration: Operand<"duration">): NumberTerm<"float">;
  remainder(duration: Operand<"duration">): DurationTerm;
  negate(): DurationTerm<Nullable>;
  abs(): DurationTerm<Nullable>;
  change(): DurationTerm<true>;
}

export type DecimalTerm<Nullable extends boolean = boolean> = OrderedTerm<"decimal", Nullable>;
export type JsonTerm<Nullable extends boolean = boolean> = ValueTerm<"json", Nullable>;

interface Terms<Nullable extends boolean> {
  boolean: BooleanTerm<Nullable>;
  integer: NumberTerm<"integer", Nullable>;
  float: NumberTerm<"float", Nullable>;
  decimal: DecimalTerm<Nullable>;
  text: TextTerm<Nullable>;
  instant: InstantTerm<Nullable>;
  duration: DurationTerm<Nullable>;
  json: JsonTerm<Nullable>;
}

/** The term of a value type, with the methods that make sense on it; one of unknown type has them all. */
export type TermOf<T extends ValueType, Nullable extends boolean = boolean> = [ValueType] extends [T]
  ? AnyTerm
  : [NumberType] extends [T]
    ? NumberTerm<NumberType, Nullable>
    : Terms<Nullable>[T];

interface Plain {
  boolean: boolean;
  integer: number;
  float: number;
  /** As text, or whole. */
  decimal: string | number;
  text: string;
  /** RFC 3339 text or microseconds. */
  instant: string | number;
  /** Text like `5s` or microseconds. */
  duration: string | number;
  json: string;
}

/** A term that fits one of the type, or a plain value that is read as one. */
export type Operand<T extends ValueType> = Term<T extends NumberType ? NumberType : T> | Plain[T] | null;

export type AnyOperand = Term | number | string | boolean | null;

/** A term whose type is known only when the program runs: wrong calls throw `expression_type`. */
export interface AnyTerm extends ValueTerm {
  eq(other: AnyOperand): BooleanTerm;
  ne(other: AnyOperand): BooleanTerm;
  lt(other: AnyOperand): BooleanTerm;
  lte(other: AnyOperand): BooleanTerm;
  gt(other: AnyOperand): BooleanTerm;
  gte(other: AnyOperand): BooleanTerm;
  between(low: AnyOperand, high: AnyOperand): BooleanTerm;
  in(options: readonly AnyOperand[]): BooleanTerm;
  coalesce(...others: readonly AnyOperand[]): AnyTerm;
  previous(): AnyTerm;
  change(): AnyTerm;
  elapsed(): AnyTerm;
  plus(other: AnyOperand): AnyTerm;
  minus(other: AnyOperand): AnyTerm;
  times(other: AnyOperand): AnyTerm;
  dividedBy(other: AnyOperand): AnyTerm;
  remainder(other: AnyOperand): AnyTerm;
  negate(): AnyTerm;
  abs(): AnyTerm;
  round(digits?: number): AnyTerm;
  floor(): AnyTerm;
  ceiling(): AnyTerm;
  truncate(width: string | number): AnyTerm;
  length(): AnyTerm;
  lower(): AnyTerm;
  upper(): AnyTerm;
  concat(...others: readonly AnyOperand[]): AnyTerm;
  startsWith(part: AnyOperand): BooleanTerm;
  endsWith(part: AnyOperand): BooleanTerm;
  contains(part: AnyOperand): BooleanTerm;
  before(separator: string): AnyTerm;
  and(...others: readonly AnyOperand[]): BooleanTerm;
  or(...others: readonly AnyOperand[]): BooleanTerm;
  not(): BooleanTerm;
}

/** What the type level needs of a declared field. */
export interface FieldShape {
  readonly type: ValueType;
  readonly nullable: boolean;
}

/** The terms of declared fields by name: what a contract hands to `rules: (t) => …`. */
export type TermsOf<Fields extends Readonly<Record<string, FieldShape>>> = {
  readonly [Name in keyof Fields]: TermOf<Fields[Name]["type"], Fields[Name]["nullable"]>;
};
