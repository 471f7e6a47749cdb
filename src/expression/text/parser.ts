/**
 * Reads the text form: friendly, close to SQL, and typed while it is read, so that a literal becomes what it stands
 * beside (`time > '2026-01-31'` is an instant). Recursion is bounded by the limit on nesting.
 */
import { fail } from "../../base/index.ts";
import type { Value, ValueType } from "../../batch/index.ts";
import { type CheckOptions, checkedTypes, type Schema } from "../check.ts";
import { operatorTexts } from "../format.ts";
import { literalOf, makeLiteral } from "../literals.ts";
import { binary, call, functionNames, junction, limits, previousOf } from "../tree.ts";
import type { BinaryOperator, Expression, FunctionName } from "../types.ts";
import { type Typed, typeOf } from "../typing.ts";
import { invalidAt, placeOf, placeText, type Token, tokensOf } from "./lexer.ts";

/**
 * Reads and checks an expression: fields, numbers, 'text', true, false, null, durations (`5s`, `interval '5s'`),
 * `instant '…'`, `decimal '…'`, arithmetic, comparisons, `between`, `in`, `is null`, `and`, `or`, `not`, functions,
 * `previous(x)`, `change(x)`, `elapsed(x)`.
 * @throws `expression_invalid` with place and excerpt, `expression_too_large`, `expression_type`
 */
export function parseExpression(source: string, schema: Schema, options: CheckOptions = {}): Expression {
  const parser = new Parser(source, schema);
  const { expression } = parser.whole();
  checkedTypes(expression, schema, options);
  return expression;
}

interface Parsed {
  readonly expression: Expression;
  readonly typed: Typed;
  readonly start: number;
  /** Set where it is a literal written without its type, which may still become another: as it was written. */
  readonly loose?: Value;
}

const binaryByText: ReadonlyMap<string, BinaryOperator> = new Map([
  ...Object.entries(operatorTexts).map(([op, text]) => [text, op as BinaryOperator] as const),
  ["==", "eq"],
  ["!=", "ne"],
]);
const comparisons: readonly string[] = ["=", "==", "<>", "!=", "<", "<=", ">", ">="];

const plainName = (name: string): string => name.toLowerCase().replaceAll("_", "");
const functionByName = new Map<string, FunctionName>([
  ...functionNames.map((name) => [plainName(name), name] as const),
  ["ceil", "ceiling"],
]);
const valueTypes: readonly string[] = "boolean integer float decimal text instant duration json".split(" ");

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #fields: ReadonlyMap<string, Schema[number]>;
  #at = 0;
  #depth = 0;
  #nodes = 0;

  constructor(source: string, schema: Schema) {
    this.#source = source;
    this.#tokens = tokensOf(source);
    this.#fields = new Map(schema.map((field) => [field.name, field]));
  }

  whole(): Parsed {
    const parsed = this.#or();
    if (this.#next.kind !== "end") throw this.#unexpected("an operator or the end");
    return parsed;
  }

  #or(): Parsed {
    return this.#junction("or", () => this.#and());
  }
  #and(): Parsed {
    return this.#junction("and", () => this.#not());
  }
  #junction(op: "and" | "or", part: () => Parsed): Parsed {
    const first = part();
    if (!this.#isWord(op)) return first;
    const terms = [first];
    while (this.#takeWord(op)) terms.push(part());
    const aligned = terms.map((term) => this.#aligned(term, "boolean"));
    // Only terms that stand side by side are one list; parentheses are kept.
    return this.#make({ op, terms: aligned.map(({ expression }) => expression) }, aligned, first.start);
  }
  #not(): Parsed {
    const { start } = this.#next;
    if (!this.#takeWord("not")) return this.#comparison();
    const operand = this.#aligned(
      this.#nested(() => this.#not()),
      "boolean",
    );
    return this.#make(call("not", operand.expression), [operand], start);
  }

  #comparison(): Parsed {
    const left = this.#sum();
    const { kind, text } = this.#next;
    if (kind === "symbol" && comparisons.includes(text)) {
      this.#at += 1;
      return this.#binary(binaryByText.get(text)!, left, this.#sum());
    }
    if (this.#takeWord("is")) {
      const negated = this.#takeWord("not");
      this.#expectWord("null");
      return this.#negatedIf(negated, this.#make(call("isNull", left.expression), [left], left.start));
    }
    const negated =
      this.#isWord("not") && this.#isWord("in", 1) ? true : this.#isWord("not") && this.#isWord("between", 1);
    if (negated) this.#at += 1;
    if (this.#takeWord("in")) return this.#negatedIf(negated, this.#in(left));
    if (this.#takeWord("between")) return this.#negatedIf(negated, this.#between(left));
    return left;
  }
  #in(value: Parsed): Parsed {
    this.#expect("(");
    const all = this.#alignedAll([value, ...this.#list()]);
    if (all.length === 1) throw this.#unexpected("a value");
    const [first, ...options] = all.map(({ expression }) => expression);
    return this.#make({ op: "in", value: first!, options }, all, value.start);
  }
  #between(value: Parsed): Parsed {
    const low = this.#sum();
    this.#expectWord("and");
    const high = this.#sum();
    const bounds = [this.#binary("gte", value, low), this.#binary("lte", value, high)];
    return this.#make(
      junction(
        "and",
        bounds.map(({ expression }) => expression),
      ),
      bounds,
      value.start,
    );
  }
  #negatedIf(negated: boolean, parsed: Parsed): Parsed {
    return negated ? this.#make(call("not", parsed.expression), [parsed], parsed.start) : parsed;
  }

  #sum(): Parsed {
    return this.#chain(["+", "-"], () => this.#product());
  }
  #product(): Parsed {
    return this.#chain(["*", "/", "%"], () => this.#unary());
  }
  #chain(signs: readonly string[], part: () => Parsed): Parsed {
    let left = part();
    while (this.#next.kind === "symbol" && signs.includes(this.#next.text)) {
      const op = binaryByText.get(this.#next.text)!;
      this.#at += 1;
      left = this.#binary(op, left, part());
    }
    return left;
  }
  #unary(): Parsed {
    const { start } = this.#next;
    if (!this.#take("-")) return this.#primary();
    const { kind, text } = this.#next;
    if (kind === "number" || kind === "duration") {
      this.#at += 1;
      return kind === "number" ? this.#number(`-${text}`, start) : this.#typedLiteral("duration", `-${text}`, start);
    }
    const operand = this.#nested(() => this.#unary());
    return this.#make(call("negate", operand.expression), [operand], start);
  }

  #primary(): Parsed {
    const token = this.#next;
    this.#at += 1;
    switch (token.kind) {
      case "number":
        return this.#number(token.text, token.start);
      case "duration":
        return this.#typedLiteral("duration", token.text, token.start);
      case "text":
        return { ...this.#make(makeLiteral("text", token.text), [], token.start), loose: token.text };
      case "quotedName":
        return this.#make({ op: "field", name: token.text }, [], token.start);
      case "name":
        return this.#named(token);
      default:
        if (token.text !== "(") {
          this.#at -= 1;
          throw this.#unexpected("a field or a value");
        }
        return this.#nested(() => {
          const { loose: _, ...inner } = this.#or();
          this.#expect(")");
          return inner;
        });
    }
  }
  #named(token: Token): Parsed {
    const word = token.text.toLowerCase();
    const { start } = token;
    if (this.#next.kind === "text") {
      const type = word === "interval" ? "duration" : word;
      if (["instant", "duration", "decimal", "json"].includes(type)) {
        const { text } = this.#next;
        this.#at += 1;
        return this.#typedLiteral(type as ValueType, text, start);
      }
    }
    if (word === "true" || word === "false") return this.#make(makeLiteral("boolean", word === "true"), [], start);
    if (word === "null") return this.#null(start);
    if (this.#take("(")) return this.#nested(() => this.#function(token, word));
    if (["and", "or", "not", "in", "is", "between"].includes(word)) {
      this.#at -= 1;
      throw this.#unexpected("a field or a value");
    }
    return this.#make({ op: "field", name: token.text }, [], start);
  }
  #null(start: number): Parsed {
    if (!this.#take("(")) return { ...this.#make(makeLiteral("text", null), [], start), loose: null };
    const type = this.#next.text;
    if (!valueTypes.includes(type)) throw this.#unexpected(`a type (${valueTypes.join(", ")})`);
    this.#at += 1;
    this.#expect(")");
    return this.#make(makeLiteral(type as ValueType, null), [], start);
  }
  #function(token: Token, word: string): Parsed {
    const operands = this.#list();
    if (word === "previous" || word === "change" || word === "elapsed") return this.#lookingBack(token, word, operands);
    const name = functionByName.get(plainName(word));
    if (name === undefined) {
      const known = functionNames.filter((each) => each !== "negate" && each !== "not" && each !== "isNull");
      throw invalidAt(this.#source, token.start, `the unknown function '${token.text}'`, `one of ${known.join(", ")}`);
    }
    const aligned =
      name === "if" && operands.length === 3
        ? [this.#aligned(operands[0]!, "boolean"), ...this.#alignedAll(operands.slice(1))]
        : ["coalesce", "least", "greatest"].includes(name)
          ? this.#alignedAll(operands)
          : operands.map((operand, index) =>
              name === "truncate" ? this.#aligned(operand, index === 0 ? "instant" : "duration") : operand,
            );
    return this.#make(call(name, ...aligned.map(({ expression }) => expression)), aligned, token.start);
  }
  #lookingBack(token: Token, word: string, operands: readonly Parsed[]): Parsed {
    const [operand] = operands;
    const refuse = (problem: string) => fail("expression_type", { where: this.#where(token.start), problem });
    if (!operand || operands.length !== 1) throw refuse(`${word} takes 1 argument`);
    if (word === "elapsed" && operand.typed.type !== "instant") throw refuse("elapsed works on instants only");
    const before = previousOf(operand.expression);
    if (!before) throw refuse("only one row back can be looked at");
    const parsed = { expression: before, typed: { ...operand.typed, nullable: true }, start: token.start };
    return word === "previous" ? parsed : this.#binary("subtract", operand, parsed);
  }
  /** Expressions up to a closing parenthesis. */
  #list(): Parsed[] {
    const parts: Parsed[] = [];
    if (this.#take(")")) return parts;
    do parts.push(this.#nested(() => this.#or()));
    while (this.#take(","));
    this.#expect(")");
    return parts;
  }

  #number(text: string, start: number): Parsed {
    const value = Number(text);
    if (!Number.isFinite(value)) throw invalidAt(this.#source, start, "a number too large", "one below 1.8e308");
    const type = /^-?\d+$/.test(text) && Number.isSafeInteger(value) ? "integer" : "float";
    return { ...this.#make(makeLiteral(type, value + 0), [], start), loose: text };
  }
  #typedLiteral(type: ValueType, text: string, start: number): Parsed {
    let expression: Expression;
    try {
      expression = literalOf(text, type);
    } catch {
      const example = { instant: "'2026-01-31T09:00:00Z'", duration: "'5s'", decimal: "'12.50'" }[type as "instant"];
      throw invalidAt(this.#source, start, `'${text}'`, `${type} such as ${example}`);
    }
    return this.#make(expression, [], start);
  }

  #binary(op: BinaryOperator, leftParsed: Parsed, rightParsed: Parsed): Parsed {
    const [left, right] = this.#alignedAll([leftParsed, rightParsed]) as [Parsed, Parsed];
    return this.#make(binary(op, left.expression, right.expression), [left, right], leftParsed.start);
  }
  /** Literals without a type of their own take that of the first operand that has one. */
  #alignedAll(operands: readonly Parsed[]): Parsed[] {
    const firm = operands.find(({ loose }) => loose === undefined) ?? operands.find(({ loose }) => loose !== null);
    return firm ? operands.map((operand) => this.#aligned(operand, firm.typed.type)) : [...operands];
  }
  #aligned(operand: Parsed, type: ValueType): Parsed {
    const { loose, start } = operand;
    if (loose === undefined || operand.typed.type === type) return operand;
    if (loose === null) return this.#make(makeLiteral(type, null), [], start);
    const readable =
      operand.typed.type === "text" ? ["instant", "duration", "decimal", "json"].includes(type) : type === "decimal";
    return readable ? this.#typedLiteral(type, String(loose), start) : operand;
  }

  #make(expression: Expression, operands: readonly Parsed[], start: number): Parsed {
    this.#nodes += 1;
    if (this.#nodes > limits.nodes * 2)
      throw fail("expression_too_large", { problem: `more than ${limits.nodes} parts` });
    const types = operands.map(({ typed }) => typed);
    return { expression, typed: typeOf(expression, types, this.#fields, () => this.#where(start)), start };
  }
  #where(start: number): string {
    const end = this.#tokens[this.#at - 1]?.end ?? start;
    const text = this.#source.slice(start, end);
    const place = placeText(placeOf(this.#source, start));
    return `${place} ('${text.length > 80 ? `${text.slice(0, 79)}…` : text}')`;
  }
  #nested(part: () => Parsed): Parsed {
    this.#depth += 1;
    if (this.#depth > limits.depth) {
      throw fail("expression_too_large", { problem: `nested deeper than ${limits.depth} levels` });
    }
    const parsed = part();
    this.#depth -= 1;
    return parsed;
  }

  get #next(): Token {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)]!;
  }
  #isWord(word: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead];
    return token?.kind === "name" && token.text.toLowerCase() === word;
  }
  #takeWord(word: string): boolean {
    const is = this.#isWord(word);
    if (is) this.#at += 1;
    return is;
  }
  #expectWord(word: string): void {
    if (!this.#takeWord(word)) throw this.#unexpected(`'${word}'`);
  }
  #take(symbol: string): boolean {
    const is = this.#next.kind === "symbol" && this.#next.text === symbol;
    if (is) this.#at += 1;
    return is;
  }
  #expect(symbol: string): void {
    if (!this.#take(symbol)) throw this.#unexpected(`'${symbol}'`);
  }
  #unexpected(expected: string) {
    const { kind, text, start } = this.#next;
    return invalidAt(this.#source, start, kind === "end" ? "the end" : `'${text.slice(0, 40)}'`, expected);
  }
}
