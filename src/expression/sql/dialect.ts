/**
 * Where the engines differ. An engine is added by writing one more of these; whatever it cannot do exactly like the
 * others it must refuse.
 */
import type { ValueType } from "../../batch/index.ts";
import { type SqlFragment, sql, sqlText } from "./fragment.ts";

export interface Dialect {
  literal(type: ValueType, value: number | string | boolean | null): SqlFragment;
  /** Whether the engine knows literals and fields of whole numbers as integers, on which arithmetic would differ. */
  readonly integerLiterals: boolean;
  asDouble(value: SqlFragment): SqlFragment;
  /** The double, or NULL where it is NaN or infinite. */
  finite(value: SqlFragment): SqlFragment;
  /** Uses one value several times without computing it, or writing it, as often. */
  once(value: SqlFragment, use: (value: SqlFragment) => SqlFragment): SqlFragment;
  remainder(left: SqlFragment, right: SqlFragment): SqlFragment;
  /** Half away from zero, to a whole number. */
  round(value: SqlFragment): SqlFragment;
  /** NULL where any is NULL. */
  extreme(which: "least" | "greatest", values: readonly SqlFragment[]): SqlFragment;
  lower(text: SqlFragment): SqlFragment;
  upper(text: SqlFragment): SqlFragment;
  startsWith(text: SqlFragment, part: SqlFragment): SqlFragment;
  /** `literal` is the part where it is known while compiling. */
  endsWith(text: SqlFragment, part: SqlFragment, literal: string | undefined): SqlFragment;
  contains(text: SqlFragment, part: SqlFragment): SqlFragment;
  before(text: SqlFragment, separator: SqlFragment): SqlFragment;
  /** Each digit replaced by its complement: 0 by j, 1 by i … 9 by a. */
  complement(digits: SqlFragment): SqlFragment;
}

export const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
export const complements = "jihgfedcba";

const WIDTH = 38;
const zeros = sqlText(`'${"0".repeat(WIDTH)}'`);

/**
 * Text whose order is the order of canonical decimals: a sign letter, the whole part filled up to 38 digits and the
 * fraction as it is; for negatives with digits complemented and a closing mark that sorts behind all digits.
 */
export function decimalKey(dialect: Dialect, text: SqlFragment): SqlFragment {
  const key = (value: SqlFragment): SqlFragment => {
    const point = sql`instr(${value} || '.', '.')`;
    const fraction = sql`substr(${value}, ${point})`;
    const whole = (from: SqlFragment): SqlFragment =>
      sql`substr(${zeros} || substr(${value}, ${from}, ${point} - ${from}), ${sqlText(`-${WIDTH}`)})`;
    const negative = dialect.complement(sql`${whole(sqlText("2"))} || ${fraction}`);
    const positive = sql`${whole(sqlText("1"))} || ${fraction}`;
    return sql`CASE WHEN substr(${value}, 1, 1) = '-' THEN 'n' || ${negative} || '~' ELSE 'p' || ${positive} END`;
  };
  return sql`(${dialect.once(text, key)})`;
}

/** The same key, made here for a literal. */
export function decimalKeyOf(text: string): string {
  const negative = text.startsWith("-");
  const [whole = "", fraction] = (negative ? text.slice(1) : text).split(".");
  const digits = whole.padStart(WIDTH, "0") + (fraction === undefined ? "" : `.${fraction}`);
  return negative ? `n${digits.replace(/\d/g, (digit) => complements[Number(digit)]!)}~` : `p${digits}`;
}
