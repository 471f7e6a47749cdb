/**
 * One checked tree as SQL. Field columns hold: float DOUBLE/REAL; integer, instant and duration BIGINT/INTEGER; text,
 * decimal and json VARCHAR/TEXT (decimals in canonical form); boolean BOOLEAN/INTEGER 0 or 1. Arithmetic is done on
 * doubles, as everywhere; what ran over becomes NULL where it can first be seen.
 */
import { assert } from "../../base/index.ts";
import { columnKind, type Layout, type ValueType } from "../../batch/index.ts";
import { checkedTypes } from "../check.ts";
import { operatorTexts } from "../format.ts";
import { type BinaryNode, type CallNode, isBinary, type LiteralNode } from "../tree.ts";
import type { Expression } from "../types.ts";
import { digitsOf, type Range, type Typed } from "../typing.ts";
import { type Dialect, decimalKey, decimalKeyOf } from "./dialect.ts";
import { duckdb } from "./duckdb.ts";
import { identifier, joinSql, type SqlDialect, type SqlFragment, sql, sqlText } from "./fragment.ts";
import { sqlite } from "./sqlite.ts";

export const dialects: Readonly<Record<SqlDialect, Dialect>> = { sqlite, duckdb };

/** How a field is named in the statement; by default its quoted name. */
export type ColumnOf = (name: string) => SqlFragment;

/**
 * The expression as SQL of a dialect. Numbers come out as the column's own type for a plain field and as doubles after
 * any arithmetic; booleans of SQLite are 0 and 1. `previous(…)` has no meaning over stored rows and is refused.
 * @throws as `checkExpression` does
 */
export function compileSql(
  expression: Expression,
  layout: Layout,
  dialect: SqlDialect,
  column: ColumnOf = (name) => identifier(name),
): SqlFragment {
  const types = checkedTypes(expression, layout, { allowPrevious: false });
  return new SqlCompiler(types, dialects[dialect], column).settled(expression);
}

interface NumberSql {
  readonly text: SqlFragment;
  readonly range: Range;
  /** Whether the engine holds it as an integer. */
  readonly integer: boolean;
}

export class SqlCompiler {
  readonly #types: ReadonlyMap<Expression, Typed>;
  readonly #dialect: Dialect;
  readonly #column: ColumnOf;

  constructor(types: ReadonlyMap<Expression, Typed>, dialect: Dialect, column: ColumnOf) {
    this.#types = types;
    this.#dialect = dialect;
    this.#column = column;
  }

  /** Any value; a number that ran over is NULL. */
  settled(node: Expression): SqlFragment {
    if (!this.#isNumber(node)) return this.#other(node);
    const { text, range } = this.#number(node);
    return range === "any" ? this.#dialect.finite(text) : text;
  }
  /** A number as a double that may have run over. */
  double(node: Expression): SqlFragment {
    const { text, integer } = this.#number(node);
    if (!integer) return text;
    if (node.op === "literal") return this.#dialect.literal("float", node.value);
    return this.#dialect.asDouble(text);
  }

  #type(node: Expression): ValueType {
    return this.#types.get(node)!.type;
  }
  #isNumber(node: Expression): boolean {
    return columnKind(this.#type(node)) === "number";
  }

  #number(node: Expression): NumberSql {
    const { type, range } = this.#types.get(node)!;
    const whole = type !== "float";
    switch (node.op) {
      case "field":
        return { text: this.#column(node.name), range, integer: whole };
      case "literal":
        return { text: this.#literal(node), range, integer: whole && this.#dialect.integerLiterals };
      case "call":
        return this.#numberCall(node, range);
      default: {
        assert(isBinary(node), "a number is a field, a literal, a call or arithmetic");
        return { text: this.#arithmetic(node), range, integer: false };
      }
    }
  }
  #arithmetic(node: BinaryNode): SqlFragment {
    const left = this.double(node.left);
    if (node.op !== "divide" && node.op !== "remainder") {
      return sql`(${left} ${sqlText(operatorTexts[node.op])} ${this.double(node.right)})`;
    }
    // An infinite divisor would give zero, or the dividend itself, where the answer is null.
    const right = this.#types.get(node.right)!.range === "any" ? this.settled(node.right) : this.double(node.right);
    return node.op === "divide" ? sql`(${left} / ${right})` : this.#dialect.remainder(left, right);
  }

  #numberCall(node: CallNode, range: Range): NumberSql {
    const [first, second] = node.arguments as [Expression, Expression];
    switch (node.function) {
      case "length":
        return { text: sql`length(${this.settled(first)})`, range, integer: true };
      case "floor":
      case "ceiling":
      case "round":
        if (this.#types.get(first)!.range === "small") return this.#number(first);
        return { text: this.#rounded(node, this.double(first)), range, integer: false };
      case "abs":
        return { text: sql`abs(${this.double(first)})`, range, integer: false };
      case "negate":
        return { text: sql`(0 - ${this.double(first)})`, range, integer: false };
      case "truncate": {
        const width = this.double(second);
        return { text: sql`(floor(${this.double(first)} / ${width}) * ${width})`, range, integer: false };
      }
      default:
        // The engine unifies integers and doubles among the branches by itself.
        return { text: this.#choice(node, (part) => this.#settledDouble(part)), range, integer: false };
    }
  }
  #settledDouble(node: Expression): SqlFragment {
    return this.#types.get(node)!.range === "any" ? this.settled(node) : this.double(node);
  }
  #rounded(node: CallNode, value: SqlFragment): SqlFragment {
    if (node.function !== "round") return sql`${sqlText(node.function === "floor" ? "floor" : "ceil")}(${value})`;
    const digits = digitsOf(node);
    if (digits === 0) return this.#dialect.round(value);
    const scale = sqlText(`1e${digits}`);
    return sql`(${this.#dialect.round(sql`(${value} * ${scale})`)} / ${scale})`;
  }

  /** `coalesce`, `if`, `least`, `greatest` over values of any type. */
  #choice(node: CallNode, of: (part: Expression) => SqlFragment): SqlFragment {
    const [first, second, third] = node.arguments as [Expression, Expression, Expression];
    if (node.function === "if") {
      return sql`CASE WHEN ${this.#other(first)} THEN ${of(second)} ELSE ${of(third)} END`;
    }
    const values = node.arguments.map(of);
    if (values.length === 1) return values[0]!;
    if (node.function === "coalesce") return sql`coalesce(${joinSql(values)})`;
    return sql`(${this.#dialect.extreme(node.function === "least" ? "least" : "greatest", values)})`;
  }

  #literal({ type, value }: LiteralNode): SqlFragment {
    return this.#dialect.literal(type, typeof value === "number" ? value + 0 : value);
  }

  #other(node: Expression): SqlFragment {
    switch (node.op) {
      case "field":
        return this.#column(node.name);
      case "literal":
        return this.#literal(node);
      case "and":
      case "or":
        return sql`(${joinSql(
          node.terms.map((term) => this.#other(term)),
          sqlText(` ${node.op.toUpperCase()} `),
        )})`;
      case "in":
        return sql`(${this.settled(node.value)} IN (${joinSql(node.options.map((option) => this.settled(option)))}))`;
      case "call":
        return this.#otherCall(node);
      default:
        assert(isBinary(node), "previous was refused by the check");
        return this.#comparison(node);
    }
  }
  #comparison(node: BinaryNode): SqlFragment {
    const ordered = node.op !== "eq" && node.op !== "ne";
    const side = (part: Expression): SqlFragment =>
      ordered && this.#type(part) === "decimal" ? this.#decimalKey(part) : this.settled(part);
    return sql`(${side(node.left)} ${sqlText(operatorTexts[node.op])} ${side(node.right)})`;
  }
  #decimalKey(node: Expression): SqlFragment {
    if (node.op === "literal" && typeof node.value === "string") {
      return this.#dialect.literal("text", decimalKeyOf(node.value));
    }
    return decimalKey(this.#dialect, this.#other(node));
  }

  #otherCall(node: CallNode): SqlFragment {
    const [first, second] = node.arguments as [Expression, Expression];
    const dialect = this.#dialect;
    switch (node.function) {
      case "not":
        return sql`(NOT ${this.#other(first)})`;
      case "isNull":
        return sql`(${this.settled(first)} IS NULL)`;
      case "lower":
      case "upper":
        return dialect[node.function](this.#other(first));
      case "concat":
        return sql`(${joinSql(
          node.arguments.map((part) => this.#other(part)),
          sqlText(" || "),
        )})`;
      case "startsWith":
      case "contains":
      case "before":
        return dialect[node.function](this.#other(first), this.#other(second));
      case "endsWith": {
        const literal = second.op === "literal" && typeof second.value === "string" ? second.value : undefined;
        return dialect.endsWith(this.#other(first), this.#other(second), literal);
      }
      default:
        return this.#choice(node, (part) => this.settled(part));
    }
  }
}
