/**
 * What a team declares about its data, once. From one declaration come the TypeScript row type, the validator, the
 * JSON Schema, the column layout, the table shape and the documentation.
 */
import type { Layout, ValueType } from "../batch/index.ts";
import type { Expression } from "../expression/index.ts";

export type Classification = "public" | "internal" | "confidential" | "restricted";

export type PersonalData =
  | "none"
  | "name"
  | "email"
  | "phone"
  | "address"
  | "coordinates"
  | "account"
  | "government-id"
  | "health"
  | "other";

/** One typed column. Made by `text()`, `float()`, `instant()` … */
export interface Field<Type extends ValueType = ValueType, Nullable extends boolean = boolean> {
  readonly type: Type;
  readonly nullable: Nullable;
  /** For people and charts: `price`, `EUR`, `ms`. */
  readonly unit?: string;
  readonly description?: string;
  /** Default `internal`. */
  readonly classification: Classification;
  /** Default `none`. */
  readonly personalData: PersonalData;
  /** Numbers: inclusive bounds. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** Text: most code points; default 1,000. */
  readonly maximumLength?: number;
  /** Text: the only values allowed (an enumeration). */
  readonly options?: readonly string[];
  /** Decimal: most digits after the point. */
  readonly scale?: number;
}

/** A text field whose values are known to the type checker. */
export interface EnumerationField<Option extends string = string, Null extends boolean = boolean>
  extends Field<"text", Null> {
  readonly options: readonly Option[];
}

/** A field in which null is allowed. */
export type Nullable<Given extends Field> = Omit<Given, "nullable"> & { readonly nullable: true };

export type Fields = Readonly<Record<string, Field>>;

/** What becomes of a row for which a rule is false. `count` accepts it and counts the breach in the account. */
export type RuleOutcome = "quarantine" | "refuse" | "count";

export interface Rule {
  readonly name: string;
  /** A boolean expression that should hold; null counts as holding, as in SQL check constraints. */
  readonly holds: Expression;
  readonly otherwise: RuleOutcome;
  readonly description: string;
}

/** Observations by key and event time: append-only, corrected by corrections. */
export interface SeriesContract<Declared extends Fields = Fields> {
  readonly kind: "series";
  /** snake_case; a leading underscore marks Millpond's own datasets. */
  readonly name: string;
  readonly description: string;
  readonly fields: Declared;
  /** The fields in declared order: column `i` of every batch of this dataset is `layout[i]`. */
  readonly layout: Layout;
  /** Names of the key fields, never nullable. */
  readonly key: readonly string[];
  /** Name of the event-time field, an instant, never nullable. */
  readonly time: string;
  /** `content`: many rows may share key and time, equal rows are one. `keyTime`: one row, later ones correct it. */
  readonly identity: "content" | "keyTime";
  readonly rules: readonly Rule[];
  /** Microseconds a row may lie behind the newest event time of its feed's session; null for no bound. */
  readonly lateness: number | null;
  /** Whether the raw form of accepted rows is kept beside them. */
  readonly keepRaw: boolean;
  /** How long rows stay, in microseconds; null for ever. */
  readonly retention: number | null;
}

/** All datasets share one union, so that `records` can join it. */
export type Contract = SeriesContract;

/** A contract as the log knows it: versions count from 1 per dataset. */
export interface ContractVersion {
  readonly version: number;
  readonly contract: Contract;
}

/** How rows of one feed into one dataset are treated beyond what the contract says of all rows. */
export interface FeedPolicy {
  readonly feed: string;
  readonly dataset: string;
  /** Overrides by rule name: another outcome, or `off`. */
  readonly rules?: Readonly<Record<string, RuleOutcome | "off">>;
  /** Overrides the contract's lateness; null for no bound (imports of history). */
  readonly lateness?: number | null;
  /** By field: an expression of the same type that replaces the value before rules are judged. */
  readonly normalise?: Readonly<Record<string, Expression>>;
}

type ValueOf<Given extends Field> = Given extends { readonly options: readonly (infer Option)[] }
  ? Option
  : Given["type"] extends "boolean"
    ? boolean
    : Given["type"] extends "text" | "decimal" | "json"
      ? string
      : number;

/** The TypeScript type of a row; instants and durations are integer microseconds, decimals are text. */
export type RowOf<Declared extends Fields> = {
  readonly [Name in keyof Declared]: ValueOf<Declared[Name]> | (Declared[Name]["nullable"] extends true ? null : never);
};
