/** The builders of datasets, rules and feed policies: declarations in, frozen and checked contracts out. */
import { fail, parseDuration } from "../base/index.ts";
import type { Layout } from "../batch/index.ts";
import { describe, type Expression, references, type Term, type TermsOf } from "../expression/index.ts";
import { contractProblem, expressionProblem, ruleProblem } from "./declaration.ts";
import type { Contract, FeedPolicy, Field, Fields, Rule, RuleOutcome, SeriesContract } from "./types.ts";

/** Text like `5s`, or integer microseconds. */
export type Span = string | number;

type TextName<Declared extends Fields> = keyof Declared & string;

export interface SeriesDeclaration<Declared extends Fields> {
  readonly fields: Declared;
  readonly key: readonly TextName<Declared>[];
  readonly time: TextName<Declared>;
  readonly rules?: (terms: TermsOf<Declared>) => readonly Rule[];
  /** Default `content`. */
  readonly identity?: SeriesContract["identity"];
  /** Default null: rows may be as late as they like. */
  readonly lateness?: Span | null;
  /** Default false. */
  readonly keepRaw?: boolean;
  /** How long rows stay; default for ever. */
  readonly retention?: Span | { readonly hot?: Span } | null;
  readonly description?: string;
}

/**
 * Declares a series of observations.
 * @throws `contract_invalid` with what is wrong
 */
export function series<const Declared extends Fields>(
  name: string,
  declaration: SeriesDeclaration<Declared>,
): SeriesContract<Declared> {
  return declare(name, declaration, false);
}

/** Like `series`, for Millpond's own datasets, whose names start with an underscore. */
export function systemSeries<const Declared extends Fields>(
  name: string,
  declaration: SeriesDeclaration<Declared>,
): SeriesContract<Declared> {
  return declare(name, declaration, true);
}

function declare<Declared extends Fields>(
  name: string,
  given: SeriesDeclaration<Declared>,
  system: boolean,
): SeriesContract<Declared> {
  const layout = layoutOf(given.fields);
  return sealed(
    {
      kind: "series",
      name,
      description: given.description ?? "",
      fields: given.fields,
      layout,
      key: given.key,
      time: given.time,
      identity: given.identity ?? "content",
      rules: given.rules === undefined ? [] : given.rules(references(layout) as TermsOf<Declared>),
      lateness: spanOf(name, given.lateness),
      keepRaw: given.keepRaw ?? false,
      retention: spanOf(name, retentionSpan(given.retention)),
    },
    system,
  );
}

/** A checked, deeply frozen copy. @throws `contract_invalid` */
export function sealed<Declared extends Fields>(
  contract: SeriesContract<Declared>,
  system: boolean,
): SeriesContract<Declared> {
  const problem = contractProblem(contract, system);
  if (problem !== undefined) throw fail("contract_invalid", { dataset: shownName(contract.name), problem });
  return deepFrozen(structuredClone(contract));
}

export const shownName = (name: string): string => name.slice(0, 64).toWellFormed();

export function layoutOf(fields: Fields): Layout {
  return Object.entries(fields).map(([name, { type, nullable }]) => ({ name, type, nullable }));
}

function retentionSpan(given: Span | { readonly hot?: Span } | null | undefined): Span | null | undefined {
  return typeof given === "object" && given !== null ? given.hot : given;
}

function spanOf(dataset: string, span: Span | null | undefined): number | null {
  if (span === undefined || span === null) return null;
  if (typeof span === "number") return span;
  try {
    return parseDuration(span);
  } catch (error) {
    throw fail("contract_invalid", { dataset: shownName(dataset), problem: (error as Error).message }, error);
  }
}

function deepFrozen<Given>(value: Given): Given {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFrozen(part);
  }
  return value;
}

export interface RuleOptions {
  /** Default `quarantine`. */
  readonly otherwise?: RuleOutcome;
  /** Default: the expression in words. */
  readonly description?: string;
}

/**
 * A rule that should hold for every row; null counts as holding.
 * @throws `contract_invalid`
 */
export function rule(name: string, holds: Term<"boolean">, options: RuleOptions = {}): Rule {
  const made: Rule = {
    name,
    holds: holds.expression,
    otherwise: options.otherwise ?? "quarantine",
    description: options.description ?? describe(holds.expression),
  };
  const problem = ruleProblem(made);
  if (problem !== undefined) throw fail("contract_invalid", { dataset: `rule ${shownName(name)}`, problem });
  return Object.freeze(made);
}

/** A term of any type; its type is checked against the field's when the policy is declared. */
type AnyTyped = Pick<Term, "expression">;

export interface FeedPolicyDeclaration<Declared extends Fields> {
  readonly feed: string;
  readonly dataset: SeriesContract<Declared>;
  /** Overrides by rule name: another outcome, or `off`. */
  readonly rules?: Readonly<Record<string, RuleOutcome | "off">>;
  /** Overrides the contract's lateness; null for no bound. */
  readonly lateness?: Span | null;
  /** By field: a term of the field's own type, which replaces the value before rules are judged. */
  readonly normalise?: (terms: TermsOf<Declared>) => { readonly [Name in TextName<Declared>]?: AnyTyped };
}

const overrides: readonly string[] = ["quarantine", "refuse", "count", "off"];

/**
 * Declares how one feed's rows are treated beyond what the contract says.
 * @throws `contract_invalid` where a rule or field is unknown or an expression has another type than its field
 */
export function feedPolicy<Declared extends Fields>(given: FeedPolicyDeclaration<Declared>): FeedPolicy {
  const { dataset, rules, normalise } = given;
  const refuse = (problem: string) =>
    fail("contract_invalid", {
      dataset: dataset.name,
      problem: `policy of feed '${shownName(given.feed)}': ${problem}`,
    });
  for (const [name, outcome] of Object.entries(rules ?? {})) {
    if (!dataset.rules.some((known) => known.name === name)) throw refuse(`there is no rule '${shownName(name)}'`);
    if (!overrides.includes(outcome)) throw refuse(`rule '${name}': the outcome is one of ${overrides.join(", ")}`);
  }
  const lateness = given.lateness === undefined ? undefined : spanOf(dataset.name, given.lateness);
  if (typeof lateness === "number" && !(Number.isSafeInteger(lateness) && lateness >= 0)) {
    throw refuse("lateness is not a usable time span");
  }
  const terms = normalise?.(references(dataset.layout) as TermsOf<Declared>);
  return deepFrozen({
    feed: given.feed,
    dataset: dataset.name,
    ...(rules === undefined ? {} : { rules: { ...rules } }),
    ...(lateness === undefined ? {} : { lateness }),
    ...(terms === undefined ? {} : { normalise: normaliseExpressions(dataset, terms, refuse) }),
  });
}

function normaliseExpressions(
  { fields, layout }: Contract,
  terms: Readonly<Record<string, AnyTyped | undefined>>,
  refuse: (problem: string) => Error,
): Record<string, Expression> {
  const expressions: Record<string, Expression> = {};
  for (const [name, term] of Object.entries(terms)) {
    if (term === undefined) continue;
    const field: Field | undefined = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) throw refuse(`there is no field '${shownName(name)}'`);
    const problem = expressionProblem(term.expression, layout, field.type, false);
    if (problem !== undefined) throw refuse(`normalise '${name}': ${problem}`);
    expressions[name] = structuredClone(term.expression);
  }
  return expressions;
}
