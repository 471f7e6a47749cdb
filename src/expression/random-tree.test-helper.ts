/** Random well-typed expressions and rows, for holding the compilers against each other. From a seed, reproducible. */
import { type Random, seededRandom } from "../base/index.ts";
import type { Layout, Value, ValueType } from "../batch/index.ts";
import { makeLiteral } from "./literals.ts";
import { binary, call } from "./tree.ts";
import type { ArithmeticOperator, ComparisonOperator, Expression } from "./types.ts";

export const layout: Layout = [
  { name: "bid", type: "float", nullable: true },
  { name: "ask", type: "float", nullable: true },
  { name: "volume", type: "integer", nullable: true },
  { name: 'count of "all"', type: "integer", nullable: true },
  { name: "open", type: "boolean", nullable: true },
  { name: "shown", type: "boolean", nullable: true },
  { name: "symbol", type: "text", nullable: true },
  { name: "note", type: "text", nullable: true },
  { name: "time", type: "instant", nullable: true },
  { name: "seen", type: "instant", nullable: true },
  { name: "age", type: "duration", nullable: true },
  { name: "amount", type: "decimal", nullable: true },
  { name: "fee", type: "decimal", nullable: true },
  { name: "raw", type: "json", nullable: true },
];

/** Values at which engines are known to differ. */
export const samples: Readonly<Record<ValueType, readonly Value[]>> = {
  float: [
    0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 0.2, 0.3, 3, 7.25, 0.49999999999999994, -0.49999999999999994, 1e308,
    -1e308, 5e-324, 1e-300, 4503599627370497, 9007199254740994, 2251799813685247.5, 1.1, 100.005, 1.005, 123456.789,
  ],
  integer: [0, 1, -1, 2, 3, -7, 10, 1000, 9007199254740991, -9007199254740991, 255],
  boolean: [true, false],
  text: [
    "",
    "a",
    "A",
    "EURUSD",
    "eurusd",
    "EURUSD.m",
    "GBP",
    "é",
    "É",
    "ß",
    "🦆",
    "🦆a",
    "\uffee",
    "a*b",
    "[a]?",
    "%_",
    "Z",
    "z z",
    "a.b.c",
    ".",
    "'q'",
    "a\nb",
  ],
  instant: [
    0, 1, -1, 1_767_225_600_000_000, 1_767_225_659_999_999, 1_767_225_660_000_000, -86_400_000_001, 9007199254740991,
  ],
  duration: [0, 1, 5_000_000, 60_000_000, -1_000, 86_400_000_000],
  decimal: [
    "0",
    "1",
    "-1",
    "1.5",
    "-1.5",
    "-1.55",
    "10",
    "9",
    "0.05",
    "-0.05",
    "0.5",
    "123456789012345678901234567890.12345678",
    "99999999999999999999999999999999999999",
    "-99999999999999999999999999999999999999",
    "0.00000000000000000000000000000000000001",
    "2",
  ],
  json: ["{}", "[1,2]", '{"a":1}', "null", '"x"'],
};
const types = Object.keys(samples) as ValueType[];

export type RandomRow = Record<string, Value>;

export class Generator {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }
  rows(count: number, nullShare: number): RandomRow[] {
    return Array.from({ length: count }, () =>
      Object.fromEntries(
        layout.map(({ name, type }) => [name, this.#random.next() < nullShare ? null : this.value(type)]),
      ),
    );
  }
  value(type: ValueType): Value {
    if (type === "float" && this.#chance(0.3)) return (this.#random.next() - 0.5) * 10 ** this.#below(20);
    return this.pick(samples[type]);
  }
  pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]!;
  }
  type(): ValueType {
    return this.pick(types);
  }

  /** With `previous` fields of the row before may be read. */
  expression(type: ValueType, depth: number, previous = false): Expression {
    const next = (of: ValueType): Expression => this.expression(of, depth - 1, previous);
    if (depth <= 0 || this.#chance(0.1)) return this.#leaf(type, previous);
    const shape = this.#below(10);
    if (shape === 0) return call("coalesce", ...this.#several(() => next(type)));
    if (shape === 1) return call("if", next("boolean"), next(type), next(type));
    if (shape === 2 && !["boolean", "json", "decimal"].includes(type)) {
      return call(this.pick(["least", "greatest"]), ...this.#several(() => next(type)));
    }
    switch (type) {
      case "boolean":
        return this.#condition(next);
      case "float":
        return this.#float(next);
      case "integer":
        return this.#integer(next);
      case "text":
        return this.#text(next);
      case "instant":
        return this.pick([
          () => binary("add", next("instant"), next("duration")),
          () => binary("add", next("duration"), next("instant")),
          () => binary("subtract", next("instant"), next("duration")),
          () =>
            call("truncate", next("instant"), makeLiteral("duration", this.pick([1, 7, 60_000_000, 3_600_000_000]))),
        ])();
      case "duration":
        return this.pick([
          () => binary("subtract", next("instant"), next("instant")),
          () =>
            binary(this.pick<ArithmeticOperator>(["add", "subtract", "remainder"]), next("duration"), next("duration")),
          () => binary("multiply", next("duration"), next("integer")),
          () => call(this.pick(["negate", "abs"]), next("duration")),
        ])();
      default:
        return this.#leaf(type, previous);
    }
  }

  #condition(next: (type: ValueType) => Expression): Expression {
    const of = this.type();
    const ordered = !["boolean", "json"].includes(of);
    return this.pick<() => Expression>([
      () =>
        binary(
          this.pick<ComparisonOperator>(ordered ? ["eq", "ne", "lt", "lte", "gt", "gte"] : ["eq", "ne"]),
          next(of),
          next(of),
        ),
      () => binary(this.pick<ComparisonOperator>(["eq", "lt", "gte"]), next("float"), next("integer")),
      () => ({ op: this.pick(["and", "or"] as const), terms: this.#several(() => next("boolean")) }),
      () => ({ op: "in", value: next(of), options: this.#several(() => next(of)) }),
      () => call("not", next("boolean")),
      () => call("isNull", next(of)),
      () => call(this.pick(["startsWith", "endsWith", "contains"]), next("text"), next("text")),
    ])();
  }
  #float(next: (type: ValueType) => Expression): Expression {
    const number = (): Expression => next(this.pick(["float", "integer"]));
    return this.pick([
      () =>
        binary(
          this.pick<ArithmeticOperator>(["add", "subtract", "multiply", "divide", "remainder"]),
          next("float"),
          number(),
        ),
      () => binary(this.pick<ArithmeticOperator>(["divide", "multiply", "subtract"]), number(), next("float")),
      () =>
        binary(
          this.pick<ArithmeticOperator>(["divide", "remainder"]),
          next("float"),
          makeLiteral("float", this.pick([2, 0.25, 1, -3])),
        ),
      () => binary("divide", next("duration"), next("duration")),
      () => call(this.pick(["negate", "abs", "floor", "ceiling", "round"]), next("float")),
      () => call("round", next("float"), makeLiteral("integer", this.#below(13))),
    ])();
  }
  #integer(next: (type: ValueType) => Expression): Expression {
    return this.pick([
      () =>
        binary(
          this.pick<ArithmeticOperator>(["add", "subtract", "multiply", "remainder"]),
          next("integer"),
          next("integer"),
        ),
      () => call(this.pick(["negate", "abs", "floor", "ceiling", "round"]), next("integer")),
      () => call("length", next("text")),
    ])();
  }
  #text(next: (type: ValueType) => Expression): Expression {
    return this.pick([
      () => call(this.pick(["lower", "upper"]), next("text")),
      () => call("concat", ...this.#several(() => next("text"))),
      () => call("before", next("text"), makeLiteral("text", this.pick([".", "a", "US", "🦆"]))),
    ])();
  }

  #leaf(type: ValueType, previous: boolean): Expression {
    const fields = layout.filter((field) => field.type === type);
    if (this.#chance(0.25)) return makeLiteral(type, this.#chance(0.1) ? null : this.value(type));
    return { op: previous && this.#chance(0.3) ? "previous" : "field", name: this.pick(fields).name };
  }
  #several<T>(make: () => T): T[] {
    return Array.from({ length: 1 + this.#below(3) }, make);
  }
  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }
  #chance(share: number): boolean {
    return this.#random.next() < share;
  }
}
