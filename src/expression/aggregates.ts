/** Aggregates as data: what windows and grouped queries fold with. */
import type { ValueType } from "../batch/index.ts";
import type { NumberType, Term } from "./term.ts";
import { inputs } from "./tree.ts";
import type { Aggregate, AggregateFunction } from "./types.ts";

/** An aggregate whose result type is known to TypeScript. Over no rows all but `count` give null. */
export interface TypedAggregate<T extends ValueType = ValueType> extends Aggregate {
  /** Never set; carries the type. */
  readonly result?: T;
}

const over = <T extends ValueType>(name: AggregateFunction, input: Term, weight?: Term): TypedAggregate<T> => ({
  function: name,
  input: input.expression,
  ...(weight === undefined ? {} : { weight: weight.expression }),
});

type Ordered = Exclude<ValueType, "boolean" | "json" | "decimal">;

/** By event time, then by log order. */
export const first = <T extends ValueType>(input: Term<T>): TypedAggregate<T> => over("first", input);
export const last = <T extends ValueType>(input: Term<T>): TypedAggregate<T> => over("last", input);
export const min = <T extends Ordered>(input: Term<T>): TypedAggregate<T> => over("min", input);
export const max = <T extends Ordered>(input: Term<T>): TypedAggregate<T> => over("max", input);
export const sum = <T extends NumberType | "duration">(input: Term<T>): TypedAggregate<T> => over("sum", input);
export const mean = (input: Term<NumberType>): TypedAggregate<"float"> => over("mean", input);
/** Rows where the input is not null; all rows without an input. */
export const count = (input?: Term): TypedAggregate<"integer"> =>
  input === undefined ? { function: "count" } : over("count", input);
/** sum(input × weight) / sum(weight) over rows where neither is null; null where the weights sum to zero. */
export const weightedMean = (input: Term<NumberType>, weight: Term<NumberType>): TypedAggregate<"float"> =>
  over("weightedMean", input, weight);
/** Of the population: the square root of the mean squared distance from the mean. */
export const standardDeviation = (input: Term<NumberType>): TypedAggregate<"float"> => over("standardDeviation", input);

/** The names of all fields an aggregate reads. */
export function inputsOfAggregate({ input, weight }: Aggregate): ReadonlySet<string> {
  const names = new Set<string>();
  for (const part of [input, weight]) if (part) for (const name of inputs(part)) names.add(name);
  return names;
}
