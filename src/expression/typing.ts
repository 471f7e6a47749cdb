/**
 * The type rules, node by node. Besides type and nullability each node has a range, which says where a double can run
 * over: compilers check for NaN and infinities only there, and only where the outcome can be seen.
 */
import { fail, unreachable } from "../base/index.ts";
import type { Layout, ValueType } from "../batch/index.ts";
import { formatExpression } from "./format.ts";
import { literalProblem } from "./literals.ts";
import { arithmeticOperators, type CallNode, children } from "./tree.ts";
import type { ArithmeticOperator, ComparisonOperator, Expression, ExpressionType } from "./types.ts";

/**
 * - `small`: a whole number that sums of a whole tree cannot drive out of the doubles
 * - `finite`: any finite double
 * - `any`: may have become NaN or an infinity, which stands for null once it is looked at
 */
export type Range = "small" | "finite" | "any";

export interface Typed extends ExpressionType {
  readonly range: Range;
}

/** Says in an error where a node stands. */
export type Where = (node: Expression) => string;

export const whereByText: Where = (node) => {
  const text = formatExpression(node);
  return `'${text.length > 80 ? `${text.slice(0, 79)}…` : text}'`;
};

export const isNumber = (type: ValueType): boolean => type === "integer" || type === "float";

/** The types of all nodes of a tree whose shape and size were checked. @throws `expression_type` */
export function analyse(
  expression: Expression,
  layout: Layout,
  where: Where = whereByText,
): ReadonlyMap<Expression, Typed> {
  const fields = new Map(layout.map((field) => [field.name, field]));
  const types = new Map<Expression, Typed>();
  const visit = (node: Expression): Typed => {
    const known = types.get(node);
    if (known) return known;
    const typed = typeOf(node, children(node).map(visit), fields, where);
    types.set(node, typed);
    return typed;
  };
  visit(expression);
  return types;
}

export function typeOf(
  node: Expression,
  operands: readonly Typed[],
  fields: ReadonlyMap<string, ExpressionType>,
  where: Where = whereByText,
): Typed {
  const refuse: Refuse = (problem) => fail("expression_type", { where: where(node), problem });
  switch (node.op) {
    case "field":
    case "previous": {
      const field = fields.get(node.name);
      if (!field) throw refuse(`there is no field '${node.name}'; there are: ${[...fields.keys()].join(", ")}`);
      return typedAs(field.type, field.nullable || node.op === "previous");
    }
    case "literal": {
      const problem = literalProblem(node);
      if (problem) throw refuse(problem);
      return typedAs(node.type, node.value === null);
    }
    case "and":
    case "or":
      if (!operands.every(({ type }) => type === "boolean")) throw refuse(`'${node.op}' joins booleans only`);
      return truth(operands);
    case "in":
      for (const option of operands.slice(1)) comparable("eq", operands[0]!, option, refuse);
      return truth(operands);
    case "call":
      return typeOfCall(node, operands, refuse);
    default:
      if ((arithmeticOperators as readonly string[]).includes(node.op)) {
        return typeOfArithmetic(node.op as ArithmeticOperator, operands[0]!, operands[1]!, node.right, refuse);
      }
      comparable(node.op as ComparisonOperator, operands[0]!, operands[1]!, refuse);
      return truth(operands);
  }
}

type Refuse = (problem: string) => Error;

const typedAs = (type: ValueType, nullable: boolean): Typed => ({
  type,
  nullable,
  range: type === "float" ? "finite" : "small",
});

const anyNullable = (operands: readonly ExpressionType[]): boolean => operands.some(({ nullable }) => nullable);
const truth = (operands: readonly Typed[]): Typed => typedAs("boolean", anyNullable(operands));

/** The range of a value that was looked at, so that what ran over has become null. */
const settled = (operands: readonly Typed[]): Range =>
  operands.every(({ range }) => range === "small") ? "small" : "finite";

function comparable(op: ComparisonOperator, left: Typed, right: Typed, refuse: Refuse): void {
  if (left.type !== right.type && !(isNumber(left.type) && isNumber(right.type))) {
    throw refuse(`${left.type} and ${right.type} cannot be compared`);
  }
  if (op !== "eq" && op !== "ne" && (left.type === "boolean" || left.type === "json")) {
    throw refuse(`${left.type} has no order; only = and <> work on it`);
  }
}

function typeOfArithmetic(op: ArithmeticOperator, left: Typed, right: Typed, by: Expression, refuse: Refuse): Typed {
  const type = arithmeticType(op, left.type, right.type);
  if (type === undefined) {
    const hint =
      left.type === "decimal" || right.type === "decimal" ? "; decimals are exact and take no arithmetic" : "";
    throw refuse(`cannot ${op} ${left.type} and ${right.type}${hint}`);
  }
  const nullable = anyNullable([left, right]);
  const bothSmall = left.range === "small" && right.range === "small";
  if ((op === "add" || op === "subtract") && bothSmall) return { type, nullable, range: "small" };
  const divisor = by.op === "literal" && typeof by.value === "number" ? Math.abs(by.value) : 0;
  // A divisor of at least one cannot make a finite number run over; one that is not zero cannot in a remainder.
  if (op === "divide" && divisor >= 1 && left.range !== "any") return { type, nullable, range: "finite" };
  if (op === "remainder" && divisor > 0 && left.range !== "any") return { type, nullable, range: settled([left]) };
  return { type, nullable: true, range: "any" };
}

function arithmeticType(op: ArithmeticOperator, left: ValueType, right: ValueType): ValueType | undefined {
  if (isNumber(left) && isNumber(right)) {
    return op !== "divide" && left === "integer" && right === "integer" ? "integer" : "float";
  }
  switch (op) {
    case "add":
      if (left === "duration" && right === "duration") return "duration";
      return (left === "instant" && right === "duration") || (left === "duration" && right === "instant")
        ? "instant"
        : undefined;
    case "subtract":
      if (left === right) return left === "instant" || left === "duration" ? "duration" : undefined;
      return left === "instant" && right === "duration" ? "instant" : undefined;
    case "multiply":
      return (left === "duration" && right === "integer") || (left === "integer" && right === "duration")
        ? "duration"
        : undefined;
    default:
      if (left !== "duration" || right !== "duration") return undefined;
      return op === "divide" ? "float" : "duration";
  }
}

function typeOfCall(node: CallNode, operands: readonly Typed[], refuse: Refuse): Typed {
  const name = node.function;
  const first = operands[0];
  const nullable = anyNullable(operands);
  const expect = (count: number, ...types: ValueType[]): Typed => {
    if (operands.length !== count) throw refuse(`${name} takes ${count} argument${count === 1 ? "" : "s"}`);
    const wrong = operands.find(({ type }) => !types.includes(type));
    if (wrong) throw refuse(`${name} takes ${types.join(" or ")}, not ${wrong.type}`);
    return operands[0]!;
  };
  switch (name) {
    case "not":
      return { ...expect(1, "boolean") };
    case "isNull":
      if (operands.length !== 1) throw refuse("isNull takes 1 argument");
      return typedAs("boolean", false);
    case "negate":
    case "abs":
      return { ...expect(1, "integer", "float", "duration") };
    case "floor":
    case "ceiling":
      return { ...expect(1, "integer", "float") };
    case "round":
      return typeOfRound(node, operands, refuse);
    case "truncate":
      return typeOfTruncate(node, operands, refuse);
    case "coalesce":
    case "least":
    case "greatest": {
      if (operands.length === 0) throw refuse(`${name} takes at least 1 argument`);
      const type = unified(name, operands, refuse);
      if (name !== "coalesce" && !["integer", "float", "instant", "duration", "text"].includes(type)) {
        throw refuse(`${name} takes numbers, instants, durations or text, not ${type}`);
      }
      const all = name === "coalesce" ? operands.every((operand) => operand.nullable) : nullable;
      return { type, nullable: all, range: settled(operands) };
    }
    case "if": {
      if (operands.length !== 3) throw refuse("if takes 3 arguments: condition, value where true, value otherwise");
      if (first!.type !== "boolean") throw refuse("the condition of if is not a boolean");
      const branches = operands.slice(1);
      return { type: unified(name, branches, refuse), nullable: anyNullable(branches), range: settled(branches) };
    }
    case "length":
      expect(1, "text");
      return typedAs("integer", nullable);
    case "lower":
    case "upper":
      return { ...expect(1, "text") };
    case "concat":
      if (operands.length === 0) throw refuse("concat takes at least 1 argument");
      expect(operands.length, "text");
      return typedAs("text", nullable);
    case "startsWith":
    case "endsWith":
    case "contains":
      expect(2, "text");
      return typedAs("boolean", nullable);
    case "before": {
      expect(2, "text");
      const separator = node.arguments[1]!;
      if (separator.op !== "literal" || !separator.value) throw refuse("the separator of before must be written out");
      return typedAs("text", first!.nullable);
    }
    default:
      return unreachable(name);
  }
}

/** One type for values that stand for each other; integers beside floats become floats. */
function unified(name: string, operands: readonly Typed[], refuse: Refuse): ValueType {
  const types = new Set(operands.map(({ type }) => type));
  if (types.size === 1) return operands[0]!.type;
  if ([...types].every(isNumber)) return "float";
  throw refuse(`the arguments of ${name} have different types: ${[...types].join(", ")}`);
}

export const maximumDigits = 12;

function typeOfRound(node: CallNode, operands: readonly Typed[], refuse: Refuse): Typed {
  const [value] = operands;
  if (!value || operands.length > 2) throw refuse("round takes a number and how many digits");
  if (!isNumber(value.type)) throw refuse(`round takes integer or float, not ${value.type}`);
  const digits = digitsOf(node);
  if (!(Number.isInteger(digits) && digits >= 0 && digits <= maximumDigits)) {
    throw refuse(`the digits of round must be written out, 0 to ${maximumDigits}`);
  }
  if (value.type === "integer" || digits === 0 || value.range === "small") return { ...value };
  return { type: value.type, nullable: true, range: "any" };
}

/** How many digits a checked `round` keeps. */
export function digitsOf(node: CallNode): number {
  const digits = node.arguments[1];
  if (digits === undefined) return 0;
  return digits.op === "literal" && typeof digits.value === "number" ? digits.value : Number.NaN;
}

function typeOfTruncate(node: CallNode, operands: readonly Typed[], refuse: Refuse): Typed {
  const [instant, duration] = operands;
  const width = node.arguments[1];
  if (operands.length !== 2 || instant!.type !== "instant" || duration!.type !== "duration") {
    throw refuse("truncate takes an instant and a duration");
  }
  if (!(width?.op === "literal" && typeof width.value === "number" && width.value > 0)) {
    throw refuse("the duration of truncate must be written out and greater than zero");
  }
  return instant!.range === "small" ? { ...instant! } : { type: "instant", nullable: true, range: "any" };
}
