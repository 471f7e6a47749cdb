/** What makes terms: one class behind all the interfaces of `term.ts`, typed again by the rules of `typing.ts`. */
import { fail } from "../base/index.ts";
import type { Layout, Value, ValueType } from "../batch/index.ts";
import { literalOf, makeLiteral, naturalType } from "./literals.ts";
import type {
  AnyOperand,
  AnyTerm,
  BooleanTerm,
  FieldShape,
  NumberTerm,
  NumberType,
  Operand,
  Term,
  TermOf,
  TermsOf,
} from "./term.ts";
import { binary, call, junction, previousOf } from "./tree.ts";
import type { BinaryOperator, Expression, FunctionName } from "./types.ts";
import { analyse, type Typed, typeOf, whereByText } from "./typing.ts";

const noFields = new Map<string, Typed>();

class BuiltTerm {
  readonly expression: Expression;
  readonly typed: Typed;

  constructor(expression: Expression, typed: Typed) {
    this.expression = expression;
    this.typed = typed;
  }
  get type(): ValueType {
    return this.typed.type;
  }
  get nullable(): boolean {
    return this.typed.nullable;
  }

  plus(other: AnyOperand) {
    return this.#binary("add", other, this.type === "instant" ? "duration" : this.type);
  }
  minus(other: AnyOperand) {
    return this.#binary("subtract", other, this.type === "instant" ? "duration" : this.type);
  }
  times(other: AnyOperand) {
    return this.#binary("multiply", other, this.type === "duration" ? "integer" : this.type);
  }
  dividedBy(other: AnyOperand) {
    return this.#binary("divide", other);
  }
  remainder(other: AnyOperand) {
    return this.#binary("remainder", other);
  }
  eq(other: AnyOperand) {
    return this.#binary("eq", other);
  }
  ne(other: AnyOperand) {
    return this.#binary("ne", other);
  }
  lt(other: AnyOperand) {
    return this.#binary("lt", other);
  }
  lte(other: AnyOperand) {
    return this.#binary("lte", other);
  }
  gt(other: AnyOperand) {
    return this.#binary("gt", other);
  }
  gte(other: AnyOperand) {
    return this.#binary("gte", other);
  }
  between(low: AnyOperand, high: AnyOperand) {
    return join("and", [this.gte(low), this.lte(high)]);
  }
  in(options: readonly AnyOperand[]) {
    if (options.length === 0) throw refuse(this.expression, "in needs at least one option");
    const built = options.map((option) => asTerm(option, this.type));
    const expressions = built.map(({ expression }) => expression);
    return make({ op: "in", value: this.expression, options: expressions }, [this, ...built]);
  }
  and(...others: readonly AnyOperand[]) {
    return join("and", [this, ...others.map((other) => asTerm(other, "boolean"))]);
  }
  or(...others: readonly AnyOperand[]) {
    return join("or", [this, ...others.map((other) => asTerm(other, "boolean"))]);
  }
  not() {
    return this.#call("not");
  }
  isNull() {
    return this.#call("isNull");
  }
  isNotNull() {
    return this.isNull().not();
  }
  coalesce(...others: readonly AnyOperand[]) {
    return this.#call("coalesce", others, this.type);
  }
  negate() {
    return this.#call("negate");
  }
  abs() {
    return this.#call("abs");
  }
  floor() {
    return this.#call("floor");
  }
  ceiling() {
    return this.#call("ceiling");
  }
  round(digits = 0) {
    return this.#call("round", digits === 0 ? [] : [digits], "integer");
  }
  truncate(width: string | number) {
    return this.#call("truncate", [width], "duration");
  }
  length() {
    return this.#call("length");
  }
  lower() {
    return this.#call("lower");
  }
  upper() {
    return this.#call("upper");
  }
  concat(...others: readonly AnyOperand[]) {
    return this.#call("concat", others, "text");
  }
  startsWith(part: AnyOperand) {
    return this.#call("startsWith", [part], "text");
  }
  endsWith(part: AnyOperand) {
    return this.#call("endsWith", [part], "text");
  }
  contains(part: AnyOperand) {
    return this.#call("contains", [part], "text");
  }
  before(separator: string) {
    return this.#call("before", [separator], "text");
  }
  previous(): BuiltTerm {
    const expression = previousOf(this.expression);
    if (!expression) throw refuse(this.expression, "it looks at the previous row already; only one step back is kept");
    return new BuiltTerm(expression, { ...this.typed, nullable: true });
  }
  change(): BuiltTerm {
    const before = this.previous();
    return make(binary("subtract", this.expression, before.expression), [this, before]);
  }
  elapsed() {
    if (this.type !== "instant") throw refuse(this.expression, `elapsed works on instants, not on ${this.type}`);
    return this.change();
  }

  #binary(op: BinaryOperator, other: AnyOperand, type: ValueType = this.type): BuiltTerm {
    const right = asTerm(other, type);
    return make(binary(op, this.expression, right.expression), [this, right]);
  }
  #call(name: FunctionName, others: readonly AnyOperand[] = [], type: ValueType = this.type): BuiltTerm {
    const operands = [this as BuiltTerm, ...others.map((other) => asTerm(other, type))];
    return make(call(name, ...operands.map(({ expression }) => expression)), operands);
  }
}

const refuse = (expression: Expression, problem: string) =>
  fail("expression_type", { where: whereByText(expression), problem });

function make(expression: Expression, operands: readonly BuiltTerm[]): BuiltTerm {
  const types = operands.map(({ typed }) => typed);
  return new BuiltTerm(expression, typeOf(expression, types, noFields));
}

function join(op: "and" | "or", terms: readonly BuiltTerm[]): BuiltTerm {
  const expressions = terms.map(({ expression }) => expression);
  return new BuiltTerm(
    junction(op, expressions),
    typeOf(
      { op, terms: expressions },
      terms.map(({ typed }) => typed),
      noFields,
    ),
  );
}

function asTerm(operand: AnyOperand, type: ValueType): BuiltTerm {
  if (operand instanceof BuiltTerm) return operand;
  if (typeof operand === "object" && operand !== null) {
    throw fail("expression_type", { where: "an argument", problem: "it is neither a term nor a plain value" });
  }
  return make(literalOf(operand, type), []);
}

/**
 * The terms of a layout's fields by name. Give the declared fields as type argument for exact term types; without,
 * every term has all methods and a wrong one throws `expression_type` when called.
 */
export function references<Declared extends Readonly<Record<string, FieldShape>> = Record<string, FieldShape>>(
  layout: Layout,
): TermsOf<Declared> {
  const terms = Object.create(null) as Record<string, BuiltTerm>;
  const fields = new Map(layout.map((field) => [field.name, field]));
  for (const { name } of layout) {
    const expression: Expression = { op: "field", name };
    terms[name] = new BuiltTerm(expression, typeOf(expression, [], fields));
  }
  return Object.freeze(terms) as unknown as TermsOf<Declared>;
}

/** A term of any checked expression: how a parsed or stored one is built on. @throws `expression_type` */
export function termOf(expression: Expression, layout: Layout): AnyTerm {
  const types = analyse(expression, layout);
  return new BuiltTerm(expression, types.get(expression)!) as unknown as AnyTerm;
}

/** A plain value as a term; text needs a type to be read as instant, duration, decimal or json. */
export function literal(value: number): NumberTerm<NumberType, false>;
export function literal<T extends ValueType = "text">(value: string, type?: T): TermOf<T, false>;
export function literal(value: boolean): BooleanTerm<false>;
export function literal<T extends ValueType>(value: Value, type: T): TermOf<T>;
export function literal(value: Value, type: ValueType = naturalType(value)): unknown {
  const node = type === "float" && typeof value === "number" ? makeLiteral("float", value + 0) : literalOf(value, type);
  return make(node, []);
}

function free(name: FunctionName, first: Term, others: readonly AnyOperand[]): unknown {
  const operands = [asTerm(first, "text"), ...others.map((other) => asTerm(other, first.type))];
  return make(call(name, ...operands.map(({ expression }) => expression)), operands);
}

/** The smallest; null where any is null. */
export const least = <T extends ValueType>(first: Term<T>, ...others: readonly Operand<T>[]): TermOf<T> =>
  free("least", first, others as readonly AnyOperand[]) as TermOf<T>;

/** The largest; null where any is null. */
export const greatest = <T extends ValueType>(first: Term<T>, ...others: readonly Operand<T>[]): TermOf<T> =>
  free("greatest", first, others as readonly AnyOperand[]) as TermOf<T>;

/** `then` where the condition is true, `otherwise` where it is false or null. */
export function when<T extends ValueType>(condition: Term<"boolean">, then: Term<T>, otherwise: Operand<T>): TermOf<T> {
  const operands = [asTerm(condition, "boolean"), asTerm(then, "text"), asTerm(otherwise, then.type)];
  return make(call("if", ...operands.map(({ expression }) => expression)), operands) as unknown as TermOf<T>;
}
