/**
 * Builders of fields. Each gives an exact type, so that the row type of a declaration follows from it; each checks
 * what can be checked without knowing the dataset.
 */
import { fail } from "../base/index.ts";
import type { ValueType } from "../batch/index.ts";
import type { Classification, EnumerationField, Field, Nullable, PersonalData } from "./types.ts";

export interface FieldOptions {
  /** For people and charts: `price`, `EUR`, `ms`. */
  readonly unit?: string;
  readonly description?: string;
  /** Default `internal`. */
  readonly classification?: Classification;
  /** Default `none`. */
  readonly personalData?: PersonalData;
}

export interface NumberOptions extends FieldOptions {
  /** Inclusive. */
  readonly min?: number;
  /** Inclusive. */
  readonly max?: number;
}

export interface TextOptions extends FieldOptions {
  /** Most code points. */
  readonly max?: number;
}

export interface DecimalOptions extends FieldOptions {
  /** Most digits after the point, 0 to 38; default 38. */
  readonly scale?: number;
}

/** Most code points of a text field that says nothing else. */
export const DEFAULT_TEXT_LENGTH = 1_000;
/** Most code points of a json field that says nothing else. */
export const DEFAULT_JSON_LENGTH = 65_536;
/** Most code points any field may ask for. */
export const LONGEST_TEXT = 1_048_576;

/** Text without NUL and without broken surrogate pairs; at most 1,000 code points unless told otherwise. */
export const text = (options: TextOptions = {}): Field<"text", false> =>
  build("text", options, { maximumLength: options.max ?? DEFAULT_TEXT_LENGTH });

/** A finite double. */
export const float = (options: NumberOptions = {}): Field<"float", false> => build("float", options, bounds(options));

/** A whole number within ±(2^53 − 1). */
export const integer = (options: NumberOptions = {}): Field<"integer", false> =>
  build("integer", options, bounds(options));

export const boolean = (options: FieldOptions = {}): Field<"boolean", false> => build("boolean", options, {});

/** A moment: integer microseconds since 1970 UTC inside, RFC 3339 outside. */
export const instant = (options: FieldOptions = {}): Field<"instant", false> => build("instant", options, {});

/** A length of time in integer microseconds. */
export const duration = (options: NumberOptions = {}): Field<"duration", false> =>
  build("duration", options, bounds(options));

/** An exact decimal number of at most 38 digits, held and sent as its canonical text. */
export const decimal = (options: DecimalOptions = {}): Field<"decimal", false> =>
  build("decimal", options, { scale: options.scale ?? 38 });

/** Any JSON value, held as canonical JSON text (RFC 8785). */
export const json = (options: TextOptions = {}): Field<"json", false> =>
  build("json", options, { maximumLength: options.max ?? DEFAULT_JSON_LENGTH });

/** Text that is one of the given values. */
export function enumeration<const Option extends string>(
  options: readonly Option[],
  about: FieldOptions = {},
): EnumerationField<Option, false> {
  const maximumLength = options.reduce((longest, option) => Math.max(longest, [...option].length), 1);
  const field = build("text", about, { maximumLength, options: Object.freeze([...options]) });
  return field as EnumerationField<Option, false>;
}

/** The same field, in which null is allowed. */
export function optional<Given extends Field>(field: Given): Nullable<Given> {
  return Object.freeze({ ...field, nullable: true as const });
}

/** Most code points of a text or json field. */
export const lengthLimit = ({ type, maximumLength }: Field): number =>
  maximumLength ?? (type === "json" ? DEFAULT_JSON_LENGTH : DEFAULT_TEXT_LENGTH);

type Limits = Pick<Field, "minimum" | "maximum" | "maximumLength" | "options" | "scale">;

function bounds({ min, max }: NumberOptions): Limits {
  return { ...(min === undefined ? {} : { minimum: min + 0 }), ...(max === undefined ? {} : { maximum: max + 0 }) };
}

function build<Type extends ValueType>(type: Type, about: FieldOptions, limits: Limits): Field<Type, false> {
  const field: Field<Type, false> = {
    type,
    nullable: false,
    ...(about.unit === undefined ? {} : { unit: about.unit }),
    ...(about.description === undefined ? {} : { description: about.description }),
    classification: about.classification ?? "internal",
    personalData: about.personalData ?? "none",
    ...limits,
  };
  const problem = fieldProblem(field);
  if (problem !== undefined) throw fail("contract_invalid", { dataset: `${type} field`, problem });
  return Object.freeze(field);
}

const classifications: readonly string[] = ["public", "internal", "confidential", "restricted"];
const personalKinds: readonly string[] = [
  "none",
  "name",
  "email",
  "phone",
  "address",
  "coordinates",
  "account",
  "government-id",
  "health",
  "other",
] satisfies PersonalData[];

/** From the least to the most guarded. */
export const classificationRank = (classification: Classification): number => classifications.indexOf(classification);

const whole = (value: number | undefined, from: number, through: number): boolean =>
  value === undefined || (Number.isSafeInteger(value) && value >= from && value <= through);

/** What is wrong with a field of any origin, or undefined. */
export function fieldProblem(field: Field): string | undefined {
  const { type, minimum, maximum, maximumLength, options, scale } = field;
  const holdsNumber = type === "float" || type === "integer" || type === "duration";
  if (!classifications.includes(field.classification)) return `classification is none of ${classifications.join(", ")}`;
  if (!personalKinds.includes(field.personalData)) return `personalData is none of ${personalKinds.join(", ")}`;
  if ((minimum !== undefined || maximum !== undefined) && !holdsNumber) return `a ${type} takes no bounds`;
  for (const bound of [minimum, maximum]) {
    if (bound === undefined) continue;
    if (!Number.isFinite(bound)) return "a bound is not a finite number";
    if (type !== "float" && !Number.isSafeInteger(bound)) return `the bounds of a ${type} are whole numbers`;
  }
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) return "min is greater than max";
  if (maximumLength !== undefined && type !== "text" && type !== "json") return `a ${type} takes no length`;
  if (!whole(maximumLength, 1, LONGEST_TEXT)) return `max is a whole number from 1 to ${LONGEST_TEXT}`;
  if (scale !== undefined && type !== "decimal") return `a ${type} takes no scale`;
  if (!whole(scale, 0, 38)) return "scale is a whole number from 0 to 38";
  return options === undefined ? undefined : optionsProblem(type, options);
}

function optionsProblem(type: ValueType, options: readonly string[]): string | undefined {
  if (type !== "text") return `a ${type} takes no options`;
  if (options.length === 0 || options.length > 1_000) return "an enumeration has from 1 to 1,000 options";
  if (new Set(options).size !== options.length) return "an option stands twice";
  const storable = options.every((option) => option.isWellFormed() && !option.includes("\0"));
  return storable ? undefined : "an option holds a NUL or a broken surrogate pair";
}
