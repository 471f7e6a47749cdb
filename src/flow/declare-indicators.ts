/**
 * Declaring technical indicators:
 * `indicators(candles, { sma_20: sma({ period: 20 }), bands: bollinger({ period: 20 }) }).into("indicators_1m")`.
 */
import type { Field, Fields, SeriesContract } from "../contract/index.ts";
import { derivedSeries, type IntoOptions, makeField, refuse, revisionField } from "./derived-contract.ts";
import { type outputSuffixes, outputsOf } from "./indicator-steps.ts";
import type { FlowSpec, IndicatorFlowSpec, IndicatorName, IndicatorSpec } from "./types.ts";

/** One indicator before it has a name. `Suffix`: what is added to that name for each of its outputs. */
export interface IndicatorDeclaration<Suffix extends string = string> extends Omit<IndicatorSpec, "as"> {
  /** Never set; carries the type. */
  readonly suffixes?: Suffix;
}

type Suffixes<Name extends IndicatorName> = (typeof outputSuffixes)[Name][number];

export interface PeriodOptions {
  /** Rows, from 1. */
  readonly period: number;
  /** Name of the source field; default `close`. */
  readonly of?: string;
}

const overOne = <Name extends IndicatorName>(
  indicator: Name,
  of: string | undefined,
  parameters: Readonly<Record<string, number>>,
): IndicatorDeclaration<Suffixes<Name>> => ({ indicator, parameters, inputs: [of ?? "close"] });

/** Simple moving average. */
export const sma = ({ period, of }: PeriodOptions) => overOne("sma", of, { period });
/** Exponential moving average. */
export const ema = ({ period, of }: PeriodOptions) => overOne("ema", of, { period });
/** Relative strength index, 0 to 100; period from 2. */
export const rsi = ({ period, of }: PeriodOptions) => overOne("rsi", of, { period });
/** Moving average convergence/divergence: `<as>`, `<as>_signal`, `<as>_histogram`. */
export const macd = ({
  short = 12,
  long = 26,
  signal = 9,
  of,
}: Partial<Record<"short" | "long" | "signal", number>> & {
  readonly of?: string;
} = {}) => overOne("macd", of, { short, long, signal });
/** Bollinger bands: `<as>_lower`, `<as>_middle`, `<as>_upper`. */
export const bollinger = ({ period, deviations = 2, of }: PeriodOptions & { readonly deviations?: number }) =>
  overOne("bollinger", of, { period, deviations });
/** Average true range over the fields `high`, `low` and `close`, or others. */
export const atr = ({
  period,
  high = "high",
  low = "low",
  close = "close",
}: {
  readonly period: number;
  readonly high?: string;
  readonly low?: string;
  readonly close?: string;
}): IndicatorDeclaration<Suffixes<"atr">> => ({ indicator: "atr", parameters: { period }, inputs: [high, low, close] });

type Declarations = Readonly<Record<string, IndicatorDeclaration>>;

type OutputFields<Given extends Declarations> = {
  readonly [Name in keyof Given as Given[Name] extends IndicatorDeclaration<infer Suffix>
    ? `${Name & string}${Suffix}`
    : never]: Field<"float", true>;
};

export type IndicatorFields<Source extends Fields, Given extends Declarations> =
  Pick<Source, keyof Source> extends Fields
    ? OutputFields<Given> & { readonly revision: Field<"integer", false> } & Fields
    : never;

export interface IndicatorOptions {
  /** How many rows of each key are kept so that corrections can be worked in; default 2,000. */
  readonly retained?: number;
}

const nothingFor: IndicatorOptions = {};

/**
 * Indicators over each key of a series whose key and time name one row.
 * @throws `contract_invalid`
 */
export function indicators<Source extends Fields, const Given extends Declarations>(
  from: SeriesContract<Source> | FlowSpec<Source>,
  given: Given,
  { retained = 2_000 }: IndicatorOptions = nothingFor,
) {
  const source: SeriesContract = "into" in from ? from.into : from;
  const specs = Object.entries(given).map(([as, each]) => ({ as, ...each }));
  return {
    into(name: string, options: IntoOptions = {}): IndicatorFlowSpec<IndicatorFields<Source, Given>> {
      checkIndicators(name, source, specs, retained);
      const keyed = source.key.map((key) => [key, source.fields[key]!] as const);
      const outputs = specs.flatMap((spec) =>
        outputsOf(spec).map((output) => [output, outputField(source, spec, output, options)] as const),
      );
      const fields = [...keyed, [source.time, source.fields[source.time]!] as const, ...outputs];
      const about = { key: source.key, time: source.time, identity: "keyTime" as const };
      const into = derivedSeries(name, [...fields, ["revision", revisionField()]], about, options);
      const spec: IndicatorFlowSpec = {
        kind: "indicators",
        name,
        source: source.name,
        indicators: specs,
        retained,
        into,
      };
      return Object.freeze(spec) as IndicatorFlowSpec<IndicatorFields<Source, Given>>;
    },
  };
}

function outputField(source: SeriesContract, spec: IndicatorSpec, name: string, options: IntoOptions): Field {
  const description = `${spec.indicator} of ${spec.inputs.join(", ")}`;
  const sources = new Set(spec.inputs);
  return makeField(source, { name, type: { type: "float", nullable: true }, sources, description }, options);
}

function checkIndicators(
  name: string,
  source: SeriesContract,
  specs: readonly IndicatorSpec[],
  retained: number,
): void {
  if (source.identity !== "keyTime") throw refuse(name, `key and time of ${source.name} do not name one row`);
  if (!(Number.isSafeInteger(retained) && retained >= 1)) throw refuse(name, "retained is a whole number from 1");
  if (specs.length === 0) throw refuse(name, "it has no indicators");
  for (const { as, indicator, parameters, inputs } of specs) {
    for (const field of inputs) {
      const type = source.layout.find((each) => each.name === field)?.type;
      if (type !== "float" && type !== "integer") throw refuse(name, `'${as}' reads '${field}', which is not a number`);
    }
    const least = indicator === "rsi" ? 2 : 1;
    for (const [parameter, value] of Object.entries(parameters)) {
      const fits = parameter === "deviations" ? value > 0 : Number.isSafeInteger(value) && value >= least;
      if (!fits || value > 100_000) throw refuse(name, `'${as}': ${parameter} ${value} is not possible`);
    }
  }
}
