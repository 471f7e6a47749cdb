/** Code for calls of functions, and for the choices among values that some of them are. */
import { unreachable } from "../../base/index.ts";
import type { CallNode } from "../tree.ts";
import type { Expression } from "../types.ts";
import { digitsOf } from "../typing.ts";
import { type BooleanCode, type Code, type Held, numberCode, type RowEmitter, ternaryCode, textCode } from "./code.ts";

export function emitCall(emitter: RowEmitter, node: CallNode): Code {
  const [first, second, third] = node.arguments as [Expression, Expression, Expression];
  switch (node.function) {
    case "not": {
      const { isTrue, isFalse, nullable } = emitter.condition(first);
      return { kind: "boolean", isTrue: isFalse, isFalse: isTrue, nullable };
    }
    case "isNull":
      return isNull(emitter, first);
    case "coalesce":
      return node.arguments
        .map((argument) => held(emitter, argument))
        .reduceRight((rest, part) => (part.nullable ? choose(emitter, present(part), part, rest) : part));
    case "if":
      return choose(emitter, emitter.condition(first).isTrue, held(emitter, second), held(emitter, third));
    case "least":
    case "greatest":
      return extreme(emitter, node);
    case "negate":
    case "abs":
    case "floor":
    case "ceiling": {
      const { code, nullable, range } = emitter.number(first);
      if (range === "small" && (node.function === "floor" || node.function === "ceiling")) return emitter.number(first);
      const made = {
        negate: `0 - ${code}`,
        abs: `Math.abs(${code})`,
        floor: `Math.floor(${code})`,
        ceiling: `Math.ceil(${code})`,
      };
      return numberCode(emitter, made[node.function], nullable, range);
    }
    case "round": {
      const { code, nullable, range } = emitter.number(first);
      if (range === "small") return emitter.number(first);
      const scale = 10 ** digitsOf(node);
      return numberCode(
        emitter,
        `helpers.roundAway(${code}, ${scale})`,
        nullable || scale > 1,
        scale > 1 ? "any" : range,
      );
    }
    case "truncate": {
      const { code, nullable, range } = emitter.number(first);
      const width = emitter.number(second).code;
      return numberCode(
        emitter,
        `Math.floor(${code} / ${width}) * ${width}`,
        nullable,
        range === "small" ? "small" : "any",
      );
    }
    default:
      return textCall(emitter, node);
  }
}

function textCall(emitter: RowEmitter, node: CallNode): Code {
  const operands = node.arguments.map((argument) => emitter.text(argument));
  const [one, two] = operands.map(({ code }) => code) as [string, string];
  const nullable = operands.some((operand) => operand.nullable);
  const guarded = (code: string, otherwise: string): string => {
    if (!nullable) return code;
    const guard = operands.filter((operand) => operand.nullable).map((operand) => `${operand.code} !== null`);
    return `${guard.join(" && ")} ? ${code} : ${otherwise}`;
  };
  switch (node.function) {
    case "length":
      return numberCode(emitter, guarded(`helpers.codePointLength(${one})`, "NaN"), nullable, "small");
    case "startsWith":
    case "endsWith":
    case "contains": {
      const method = node.function === "contains" ? "includes" : node.function;
      const name = emitter.name(guarded(`(${one}.${method}(${two}) ? 1 : 0)`, "2"));
      return ternaryCode(name, nullable);
    }
    case "lower":
    case "upper":
      return textCode(emitter, guarded(`helpers.${node.function}Ascii(${one})`, "null"), nullable);
    case "before":
      return textCode(emitter, guarded(`helpers.textBefore(${one}, ${two})`, "null"), nullable);
    case "concat":
      return textCode(emitter, guarded(operands.map(({ code }) => code).join(" + "), "null"), nullable);
    default:
      return unreachable(node.function as never);
  }
}

function isNull(emitter: RowEmitter, node: Expression): BooleanCode {
  const isThere = present(held(emitter, node));
  return { kind: "boolean", isTrue: `(!${isThere})`, isFalse: isThere, nullable: false };
}

/** A value by a plain name: numbers settled, booleans as 1, 0 or 2. */
function held(emitter: RowEmitter, node: Expression): Held {
  const code = emitter.emit(node);
  if (code.kind === "number") return emitter.settled(node);
  if (code.kind === "text") return code;
  return ternaryCode(emitter.ternary(node), code.nullable);
}
function present(value: Held): string {
  if (!value.nullable) return "(true)";
  const { code } = value;
  return value.kind === "number" ? `(${code} === ${code})` : `(${code} !== ${value.kind === "text" ? "null" : "2"})`;
}
function choose(emitter: RowEmitter, condition: string, yes: Held, no: Held): Held {
  const nullable = yes.nullable || no.nullable;
  const code = emitter.name(`${condition} ? ${yes.code} : ${no.code}`);
  if (yes.kind === "number" && no.kind === "number") {
    const range = yes.range === "small" && no.range === "small" ? "small" : "finite";
    return { kind: "number", code, nullable, range };
  }
  if (yes.kind === "text") return { kind: "text", code, nullable };
  return ternaryCode(code, nullable);
}
function extreme(emitter: RowEmitter, node: CallNode): Code {
  const operands = node.arguments.map((argument) => held(emitter, argument));
  const nullable = operands.some((operand) => operand.nullable);
  const codes = operands.map(({ code }) => code);
  if (operands[0]!.kind === "number") {
    const small = operands.every((operand) => operand.kind === "number" && operand.range === "small");
    const method = node.function === "least" ? "min" : "max";
    return numberCode(emitter, `Math.${method}(${codes.join(", ")})`, nullable, small ? "small" : "finite");
  }
  const sign = node.function === "least" ? "<" : ">";
  const best = codes.reduce((left, right) =>
    emitter.name(
      `${left} === null || ${right} === null ? null : helpers.compareText(${right}, ${left}) ${sign} 0 ? ${right} : ${left}`,
    ),
  );
  return { kind: "text", code: best, nullable };
}
