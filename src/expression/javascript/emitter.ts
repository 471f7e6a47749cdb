/**
 * Code for one row, made from a checked tree. Names in the code are made here from column indexes and counters; text
 * of users reaches it only through a list of constants. How values are held while a row is computed:
 *
 * - numbers are doubles where NaN stands for null. So arithmetic and comparisons carry null along without a test, and
 *   `a >= b` is already "a < b is false" for null operands. A value of range `any` may also be infinite and is settled
 *   (`x - x + x`) before anything but sums and products looks at it;
 * - text is a string or null;
 * - a boolean is a pair of conditions, one that says when it is true and one when it is false; neither holds for null.
 *
 * What depends on one text column alone is computed once per entry of its dictionary and looked up by row.
 */
import { assert } from "../../base/index.ts";
import { columnKind, type Layout } from "../../batch/index.ts";
import { evaluate } from "../evaluate.ts";
import { type BinaryNode, inputs, type LiteralNode, previousInputs } from "../tree.ts";
import type { Expression } from "../types.ts";
import type { Typed } from "../typing.ts";
import { emitCall } from "./calls.ts";
import {
  type BooleanCode,
  type Code,
  type NumberCode,
  numberCode,
  numberText,
  pair,
  type RowEmitter,
  type TextCode,
  ternaryCode,
} from "./code.ts";

/** Where the code of a field's value comes from; `nullable` as in the batch at hand. */
export interface FieldAccess {
  field(index: number): { readonly code: string; readonly nullable: boolean };
  /** Undefined where there are no previous rows. */
  previous(index: number): { readonly code: string };
  /** The place of a row's text in a table over the dictionary of a column; undefined where tables are not wanted. */
  place?(index: number): string;
}

/** A function of one text, evaluated over a dictionary before the rows are. The last entry is the one for null. */
export interface Table {
  readonly column: number;
  readonly expression: Expression;
}

export class Emitter implements RowEmitter {
  readonly lines: string[] = [];
  readonly constants: string[] = [];
  readonly tables: Table[] = [];
  readonly #layout: Layout;
  readonly #columns: ReadonlyMap<string, number>;
  readonly #types: ReadonlyMap<Expression, Typed>;
  readonly #access: FieldAccess;
  readonly #done = new Map<string, Code>();
  #named = 0;

  constructor(layout: Layout, types: ReadonlyMap<Expression, Typed>, access: FieldAccess) {
    this.#layout = layout;
    this.#columns = new Map(layout.map(({ name }, index) => [name, index]));
    this.#types = types;
    this.#access = access;
  }

  emit(node: Expression): Code {
    const key = JSON.stringify(node);
    const done = this.#done.get(key);
    if (done) return done;
    const code = this.#tabled(node) ?? this.#emit(node);
    this.#done.set(key, code);
    return code;
  }
  condition(node: Expression): BooleanCode {
    const code = this.emit(node);
    assert(code.kind === "boolean", "a checked condition is a boolean");
    return code;
  }
  text(node: Expression): TextCode {
    const code = this.emit(node);
    assert(code.kind === "text", "checked to be text");
    return code;
  }
  number(node: Expression): NumberCode {
    const code = this.emit(node);
    assert(code.kind === "number", "checked to be a number");
    return code;
  }
  /** A number that is finite or NaN for null. */
  settled(node: Expression): NumberCode {
    const code = this.number(node);
    if (code.range !== "any") return code;
    return numberCode(this, `${code.code} - ${code.code} + ${code.code}`, true, "finite");
  }
  /** A boolean as one value: 1, 0, or 2 for null. */
  ternary(node: Expression): string {
    const code = this.condition(node);
    if (!code.nullable) return this.name(`${code.isTrue} ? 1 : 0`);
    return this.name(`${code.isTrue} ? 1 : ${code.isFalse} ? 0 : 2`);
  }

  #emit(node: Expression): Code {
    switch (node.op) {
      case "field": {
        const index = this.#column(node.name);
        const { code, nullable } = this.#access.field(index);
        return this.#read(index, code, nullable);
      }
      case "previous": {
        const index = this.#column(node.name);
        return this.#read(index, this.#access.previous(index).code, true);
      }
      case "literal":
        return this.#literal(node);
      case "and":
      case "or": {
        const terms = node.terms.map((term) => this.condition(term));
        const both = `(${terms.map((term) => (node.op === "and" ? term.isTrue : term.isFalse)).join(" && ")})`;
        const either = `(${terms.map((term) => (node.op === "and" ? term.isFalse : term.isTrue)).join(" || ")})`;
        const nullable = terms.some((term) => term.nullable);
        return node.op === "and"
          ? { kind: "boolean", isTrue: both, isFalse: either, nullable }
          : { kind: "boolean", isTrue: either, isFalse: both, nullable };
      }
      case "in": {
        const each = node.options.map((option) => this.#compare({ op: "eq", left: node.value, right: option }));
        return {
          kind: "boolean",
          isTrue: `(${each.map(({ isTrue }) => isTrue).join(" || ")})`,
          isFalse: `(${each.map(({ isFalse }) => isFalse).join(" && ")})`,
          nullable: each.some(({ nullable }) => nullable),
        };
      }
      case "call":
        return emitCall(this, node);
      case "add":
      case "subtract":
      case "multiply":
        return this.#arithmetic(node);
      case "divide":
      case "remainder":
        return this.#quotient(node);
      default:
        return this.#compare(node);
    }
  }

  #read(index: number, code: string, nullable: boolean): Code {
    const name = this.name(code);
    const type = this.#layout[index]!.type;
    switch (columnKind(type)) {
      case "number":
        return { kind: "number", code: name, nullable, range: type === "float" ? "finite" : "small" };
      case "text":
        return { kind: "text", code: name, nullable };
      case "boolean":
        return ternaryCode(name, nullable);
    }
  }

  #literal({ type, value }: LiteralNode): Code {
    switch (columnKind(type)) {
      case "number": {
        const range = type === "float" ? "finite" : "small";
        if (value === null) return { kind: "number", code: "NaN", nullable: true, range };
        return { kind: "number", code: numberText(value as number), nullable: false, range };
      }
      case "text":
        return value === null
          ? { kind: "text", code: "null", nullable: true }
          : { kind: "text", code: this.#constant(value as string), nullable: false };
      case "boolean":
        return {
          kind: "boolean",
          isTrue: `${value === true}`,
          isFalse: `${value === false}`,
          nullable: value === null,
        };
    }
  }

  #arithmetic(node: BinaryNode): NumberCode {
    const [left, right] = [this.number(node.left), this.number(node.right)];
    const sign = { add: "+", subtract: "-", multiply: "*" }[node.op as "add"];
    const small = sign !== "*" && left.range === "small" && right.range === "small";
    const nullable = left.nullable || right.nullable || !small;
    return numberCode(this, `${left.code} ${sign} ${right.code}`, nullable, small ? "small" : "any");
  }

  #quotient(node: BinaryNode): NumberCode {
    // An infinite divisor would give zero, or the dividend itself, where the answer is null.
    const [left, right] = [this.number(node.left), this.settled(node.right)];
    const { nullable, range } = this.#types.get(node)!;
    return numberCode(
      this,
      `${left.code} ${node.op === "divide" ? "/" : "%"} ${right.code}`,
      nullable || left.nullable,
      range,
    );
  }

  #compare(node: BinaryNode | { op: "eq"; left: Expression; right: Expression }): BooleanCode {
    const type = this.#types.get(node.left)!.type;
    switch (columnKind(type)) {
      case "number":
        return this.#compareNumbers(node.op, node.left, node.right);
      case "text":
        return this.#compareTexts(node.op, node.left, node.right, type === "decimal");
      case "boolean": {
        const [left, right] = [this.ternary(node.left), this.ternary(node.right)];
        const nullable = this.condition(node.left).nullable || this.condition(node.right).nullable;
        const guard = nullable ? `${left} !== 2 && ${right} !== 2 && ` : "";
        return pair(node.op === "ne", `(${guard}${left} === ${right})`, `(${guard}${left} !== ${right})`, nullable);
      }
    }
  }

  #compareNumbers(op: string, leftNode: Expression, rightNode: Expression): BooleanCode {
    const [one, two] = [this.settled(leftNode), this.settled(rightNode)];
    const [left, right] = [one.code, two.code];
    const nullable = one.nullable || two.nullable;
    const is = (sign: string): string => `(${left} ${sign} ${right})`;
    switch (op) {
      case "lt":
        return pair(false, is("<"), is(">="), nullable);
      case "lte":
        return pair(false, is("<="), is(">"), nullable);
      case "gt":
        return pair(false, is(">"), is("<="), nullable);
      case "gte":
        return pair(false, is(">="), is("<"), nullable);
      default:
        return pair(op === "ne", is("==="), nullable ? `(${is("<")} || ${is(">")})` : is("!=="), nullable);
    }
  }

  #compareTexts(op: string, leftNode: Expression, rightNode: Expression, decimal: boolean): BooleanCode {
    const operands = [this.text(leftNode), this.text(rightNode)];
    const [left, right] = operands.map(({ code }) => code) as [string, string];
    const maybe = operands.filter(({ nullable }) => nullable).map(({ code }) => `${code} !== null && `);
    const guard = maybe.join("");
    const nullable = maybe.length > 0;
    if (op === "eq" || op === "ne") {
      return pair(op === "ne", `(${guard}${left} === ${right})`, `(${guard}${left} !== ${right})`, nullable);
    }
    const compare = decimal ? "compareDecimalText" : "compareText";
    const order = this.name(
      `${nullable ? `${guard.slice(0, -4)} ? ` : ""}helpers.${compare}(${left}, ${right})${nullable ? " : NaN" : ""}`,
    );
    const [holds, fails] = { lt: ["<", ">="], lte: ["<=", ">"], gt: [">", "<="], gte: [">=", "<"] }[op as "lt"]!;
    return pair(false, `(${order} ${holds} 0)`, `(${order} ${fails} 0)`, nullable);
  }

  /** Folds what reads no field, and puts what reads one text column into a table over its dictionary. */
  #tabled(node: Expression): Code | undefined {
    if (node.op === "field" || node.op === "previous" || node.op === "literal") return undefined;
    const names = inputs(node);
    const { type, range } = this.#types.get(node)!;
    if (names.size === 0) return this.#literal({ op: "literal", type, value: evaluate(node, this.#layout, {}) });
    if (!this.#access.place || names.size > 1 || previousInputs(node).size > 0) return undefined;
    const column = this.#column([...names][0]!);
    if (columnKind(this.#layout[column]!.type) !== "text") return undefined;
    const table = this.tables.push({ column, expression: node }) - 1;
    const name = this.name(`t${table}[${this.#access.place(column)}]`);
    switch (columnKind(type)) {
      case "number":
        return { kind: "number", code: name, nullable: true, range: range === "small" ? "small" : "finite" };
      case "text":
        return { kind: "text", code: name, nullable: true };
      case "boolean":
        return ternaryCode(name, true);
    }
  }

  #column(name: string): number {
    const index = this.#columns.get(name);
    assert(index !== undefined, "a checked expression names declared fields only");
    return index;
  }
  name(code: string): string {
    const name = `n${this.#named++}`;
    this.lines.push(`const ${name} = ${code};`);
    return name;
  }
  #constant(text: string): string {
    const known = this.constants.indexOf(text);
    return `k${known >= 0 ? known : this.constants.push(text) - 1}`;
  }
}
