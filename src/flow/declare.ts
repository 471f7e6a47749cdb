/**
 * Declaring flows:
 *
 *     flow(ticks)
 *       .where((t) => t.volume.gt(0))
 *       .derive((t) => ({ mid: t.bid.plus(t.ask).dividedBy(2) }))
 *       .window({ every: "1m", by: "symbol", lateness: "5s" })
 *       .aggregate((t) => ({ open: first(t.mid), close: last(t.mid), ticks: count() }))
 *       .into("candles_1m")
 *
 * The result is data: the flow with the contract of the dataset it makes. Without `window` it works row by row.
 */
import { parseDuration } from "../base/index.ts";
import type { Field, Fields, SeriesContract, Span } from "../contract/index.ts";
import {
  type Aggregate,
  checkAggregate,
  checkExpression,
  describe,
  describeAggregate,
  type Expression,
  type FieldShape,
  inputs,
  inputsOfAggregate,
  references,
  type Term,
  type TermsOf,
  type TypedAggregate,
} from "../expression/index.ts";
import { derivedSeries, type IntoOptions, makeField, plainField, refuse, revisionField } from "./derived-contract.ts";
import { sourcesOf } from "./lineage.ts";
import { extendedLayout } from "./source-reader.ts";
import type { FlowSpec, MapFlowSpec, WindowFlowSpec, WindowSpec } from "./types.ts";

type Shapes = Readonly<Record<string, FieldShape>>;
type TermMap = Readonly<Record<string, Term>>;
type ShapesOf<Given extends TermMap> = {
  readonly [Name in keyof Given]: { readonly type: Given[Name]["type"]; readonly nullable: Given[Name]["nullable"] };
};
type FieldsOf<Given extends Shapes> = {
  readonly [Name in keyof Given]: Field<Given[Name]["type"], Given[Name]["nullable"]>;
};
type AggregateMap = Readonly<Record<string, TypedAggregate>>;
type WindowFields<Source extends Fields, By extends keyof Source, Given extends AggregateMap> = Pick<Source, By> & {
  readonly time: Field<"instant", false>;
} & {
  readonly [Name in keyof Given]: Given[Name] extends TypedAggregate<infer Type> ? Field<Type, true> : never;
} & { readonly revision: Field<"integer", false> };

export interface WindowDeclaration<Name extends string> {
  /** Length of a window: `1m`, or microseconds. */
  readonly every: Span;
  /** Distance between starts, for windows that overlap: a whole fraction of `every`. Default `every`. */
  readonly hop?: Span;
  /** Key fields of the source: rows that differ in them go to different windows. */
  readonly by: Name | readonly Name[];
  /** How far the source must be past a window's end before it is final. Default 0. */
  readonly lateness?: Span;
  /** How many closed windows are kept for late rows. Default 10,000. */
  readonly retained?: number;
}

/** Begins a flow over a dataset, or over what another flow makes. */
export function flow<Source extends Fields>(
  from: SeriesContract<Source> | FlowSpec<Source>,
): FlowStart<Source, Record<never, never>> {
  return new FlowStart("into" in from ? from.into : from, undefined, {});
}

class FlowStart<Source extends Fields, Derived extends Shapes> {
  readonly #source: SeriesContract<Source>;
  readonly #where: Expression | undefined;
  readonly #derive: Readonly<Record<string, Expression>>;

  constructor(
    source: SeriesContract<Source>,
    where: Expression | undefined,
    derive: Readonly<Record<string, Expression>>,
  ) {
    this.#source = source;
    this.#where = where;
    this.#derive = derive;
  }

  /** Only rows for which the condition is true count. Several conditions must all hold. */
  where(condition: (terms: TermsOf<Source>) => Term<"boolean">): FlowStart<Source, Derived> {
    const { expression } = condition(references<Source>(this.#source.layout));
    const where: Expression = this.#where === undefined ? expression : { op: "and", terms: [this.#where, expression] };
    return new FlowStart<Source, Derived>(this.#source, where, this.#derive);
  }
  /** Adds columns. Those of an earlier `derive` may be used. */
  derive<const Given extends TermMap>(
    make: (terms: TermsOf<Source & Derived>) => Given,
  ): FlowStart<Source, Derived & ShapesOf<Given>> {
    const layout = extendedLayout(this.#source.layout, this.#derive);
    const derive = { ...this.#derive };
    for (const [name, { expression }] of Object.entries(make(references<Source & Derived>(layout)))) {
      if (layout.some((field) => field.name === name)) throw refuse(this.#source.name, `'${name}' exists already`);
      derive[name] = expression;
    }
    extendedLayout(this.#source.layout, derive);
    return new FlowStart<Source, Derived & ShapesOf<Given>>(this.#source, this.#where, derive);
  }
  /** Gathers rows in windows of event time, counted from 1970. @throws `contract_invalid`, `duration_invalid` */
  window<const Name extends keyof Source & string>(declared: WindowDeclaration<Name>) {
    const by: readonly string[] = typeof declared.by === "string" ? [declared.by] : (declared.by as readonly Name[]);
    const window = windowOf(this.#source, by, declared);
    const layout = extendedLayout(this.#source.layout, this.#derive);
    return {
      /** By name of the derived field. */
      aggregate: <const Given extends AggregateMap>(make: (terms: TermsOf<Source & Derived>) => Given) => {
        const aggregates = plain(make(references<Source & Derived>(layout)));
        return {
          /** Names the derived dataset. @throws `contract_invalid` */
          into: (name: string, options: IntoOptions = {}): WindowFlowSpec<WindowFields<Source, Name, Given>> => {
            const common = { source: this.#source.name, ...this.#filter(), derive: this.#derive };
            const into = windowContract(this.#source, name, { by, derive: this.#derive, aggregates }, options);
            const spec: WindowFlowSpec = { kind: "window", name, ...common, by, window, aggregates, into };
            return frozen(spec) as unknown as WindowFlowSpec<WindowFields<Source, Name, Given>>;
          },
        };
      },
    };
  }
  /** Row by row: all fields of the source and the derived ones. @throws `contract_invalid` */
  into(name: string, options: IntoOptions = {}): MapFlowSpec<Source & FieldsOf<Derived>> {
    const source: SeriesContract = this.#source;
    const fields = Object.entries(source.fields);
    const layout = extendedLayout(source.layout, this.#derive);
    for (const { name: field, ...type } of layout.slice(source.layout.length)) {
      const expression = this.#derive[field]!;
      const sources = new Set(sourcesOf(inputs(expression), this.#derive));
      const like = likeOf(source, expression);
      fields.push([
        field,
        makeField(source, { name: field, type, sources, description: describe(expression), ...like }, options),
      ]);
    }
    const into = derivedSeries(name, fields, source, options);
    const common = { source: source.name, ...this.#filter(), derive: this.#derive };
    return frozen({ kind: "map", name, ...common, into }) as unknown as MapFlowSpec<Source & FieldsOf<Derived>>;
  }

  #filter(): { readonly where?: Expression } {
    if (this.#where === undefined) return {};
    checkExpression(this.#where, this.#source.layout, { allowPrevious: false });
    return { where: this.#where };
  }
}

function likeOf(source: SeriesContract, expression: Expression | undefined): { readonly like?: Field } {
  const name = plainField(expression, source.layout);
  return name === undefined ? {} : { like: source.fields[name]! };
}

function windowOf(source: SeriesContract, by: readonly string[], declared: WindowDeclaration<string>): WindowSpec {
  const span = (given: Span): number => (typeof given === "number" ? given : parseDuration(given));
  const every = span(declared.every);
  const hop = declared.hop === undefined ? every : span(declared.hop);
  const lateness = span(declared.lateness ?? 0);
  const retained = declared.retained ?? 10_000;
  const whole = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
  const wrong = (problem: string) => refuse(source.name, `window: ${problem}`);
  if (!whole(every, 1) || !whole(hop, 1)) throw wrong("every and hop are longer than nothing");
  if (every % hop !== 0 || every / hop > 1_000) throw wrong("every is a whole multiple of hop, at most 1,000 times");
  if (!whole(lateness, 0)) throw wrong("lateness is not negative");
  if (!whole(retained, 1)) throw wrong("retained is a whole number from 1");
  if (by.length === 0 || new Set(by).size !== by.length) throw wrong("by names at least one field, each once");
  for (const name of by) if (!source.key.includes(name)) throw wrong(`'${name}' is not a key field`);
  return { every, hop, lateness, retained };
}

interface WindowParts {
  readonly by: readonly string[];
  readonly derive: Readonly<Record<string, Expression>>;
  readonly aggregates: Readonly<Record<string, Aggregate>>;
}

const keepsUnit = new Set(["first", "last", "min", "max"]);

function windowContract(
  source: SeriesContract,
  name: string,
  { by, derive, aggregates }: WindowParts,
  options: IntoOptions,
): SeriesContract {
  const layout = extendedLayout(source.layout, derive);
  const start = source.fields[source.time]!;
  const fields: (readonly [string, Field])[] = by.map((key) => [key, source.fields[key]!]);
  fields.push(["time", { ...start, description: options.descriptions?.time ?? "Start of the window" }]);
  for (const [field, aggregate] of Object.entries(aggregates)) {
    const type = checkAggregate(aggregate, layout);
    const sources = new Set(sourcesOf(inputsOfAggregate(aggregate), derive));
    const like = keepsUnit.has(aggregate.function) ? likeOf(source, aggregate.input) : {};
    const description = describeAggregate(aggregate);
    fields.push([field, makeField(source, { name: field, type, sources, description, ...like }, options)]);
  }
  if (Object.keys(aggregates).length === 0) throw refuse(name, "it has no aggregates");
  fields.push(["revision", revisionField()]);
  return derivedSeries(name, fields, { key: by, time: "time", identity: "keyTime" }, options);
}

/** Without what only carries types. */
function plain(given: AggregateMap): Record<string, Aggregate> {
  return Object.fromEntries(
    Object.entries(given).map(([name, { function: used, input, weight }]) => [
      name,
      { function: used, ...(input === undefined ? {} : { input }), ...(weight === undefined ? {} : { weight }) },
    ]),
  );
}

function frozen<Spec extends FlowSpec>(spec: Spec): Spec {
  return Object.freeze(spec);
}
