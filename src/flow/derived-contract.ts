/**
 * The contract of a derived dataset, out of the declaration. A derived field is as guarded as the most guarded source
 * field it is made of.
 */
import { fail } from "../base/index.ts";
import type { Layout } from "../batch/index.ts";
import {
  boolean,
  classificationRank,
  decimal,
  duration,
  type Field,
  type FieldOptions,
  type Fields,
  float,
  instant,
  integer,
  json,
  LONGEST_TEXT,
  optional,
  type SeriesContract,
  type Span,
  series,
  text,
} from "../contract/index.ts";
import type { Expression, ExpressionType } from "../expression/index.ts";

export interface IntoOptions {
  readonly description?: string;
  /** By field of the derived dataset; where none is given, a plain first, last, min or max keeps that of its field. */
  readonly units?: Readonly<Record<string, string>>;
  readonly descriptions?: Readonly<Record<string, string>>;
  /** How long derived rows stay; default for ever. */
  readonly retention?: Span;
}

/** A field to be made: its type, and the source fields it depends on. */
export interface DerivedField {
  readonly name: string;
  readonly type: ExpressionType;
  readonly sources: ReadonlySet<string>;
  /** A field whose unit, options and limits hold for this one too. */
  readonly like?: Field;
  readonly description: string;
}

export function makeField(source: SeriesContract, derived: DerivedField, { units, descriptions }: IntoOptions): Field {
  const { name, type, like } = derived;
  const unit = units?.[name] ?? like?.unit;
  const options: FieldOptions = {
    ...(unit === undefined ? {} : { unit }),
    description: descriptions?.[name] ?? derived.description,
    ...guardOf(source, derived.sources),
  };
  const field = like?.type === type.type ? ({ ...like, ...options, nullable: false } as Field) : fresh(type, options);
  return type.nullable ? optional(field) : field;
}

/** The strictest classification and the personal data among source fields. */
function guardOf({ fields }: SeriesContract, sources: ReadonlySet<string>): FieldOptions {
  const used = [...sources].map((name) => fields[name]!);
  const [strictest] = used.toSorted(
    (one, two) => classificationRank(two.classification) - classificationRank(one.classification),
  );
  const personal = used.find(({ personalData }) => personalData !== "none");
  return {
    classification: strictest?.classification ?? "internal",
    personalData: personal?.personalData ?? "none",
  };
}

function fresh({ type }: ExpressionType, options: FieldOptions): Field {
  switch (type) {
    case "boolean":
      return boolean(options);
    case "integer":
      return integer(options);
    case "float":
      return float(options);
    case "decimal":
      return decimal(options);
    case "text":
      return text({ ...options, max: LONGEST_TEXT });
    case "instant":
      return instant(options);
    case "duration":
      return duration(options);
    case "json":
      return json({ ...options, max: LONGEST_TEXT });
  }
}

export const revisionField = (): Field<"integer", false> =>
  integer({ min: 0, description: "0 for the first final row, one more with each correction" });

/** Fields in order, each name once. @throws `contract_invalid` */
export function derivedSeries(
  name: string,
  fields: readonly (readonly [string, Field])[],
  { key, time, identity }: Pick<SeriesContract, "key" | "time" | "identity">,
  options: IntoOptions,
): SeriesContract {
  const declared: Record<string, Field> = {};
  for (const [field, made] of fields) {
    if (Object.hasOwn(declared, field)) throw refuse(name, `two fields are named '${field}'`);
    declared[field] = made;
  }
  for (const given of [options.units, options.descriptions]) {
    for (const field of Object.keys(given ?? {})) {
      if (!Object.hasOwn(declared, field)) throw refuse(name, `there is no field '${field}' to describe`);
    }
  }
  return series<Fields>(name, {
    fields: declared,
    key,
    time,
    identity,
    ...(options.description === undefined ? {} : { description: options.description }),
    ...(options.retention === undefined ? {} : { retention: options.retention }),
  });
}

export const refuse = (dataset: string, problem: string) => fail("contract_invalid", { dataset, problem });

/** The place of a plain field in a layout, for expressions that are nothing else. */
export function plainField(expression: Expression | undefined, layout: Layout): string | undefined {
  const known = expression?.op === "field" && layout.some(({ name }) => name === expression.name);
  return known ? expression.name : undefined;
}
