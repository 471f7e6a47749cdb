/**
 * Where a text stops being JSON, for the error that says so. The parser of the runtime does not always tell the place,
 * and its messages quote the text, which must not get into errors. Only ever run on text that was found broken.
 */
import { isSpace } from "./json-scan.ts";

type Expecting = "value" | "valueOrEnd" | "name" | "nameOrEnd" | "colon" | "commaOrEnd" | "nothing";

/** The place of the first fault from `from`; `to` where the text ends too early; undefined where all is well. */
export function jsonFault(text: string, from: number, to: number): number | undefined {
  const open: ("{" | "[")[] = [];
  let expecting: Expecting = "value";
  const afterValue = (): Expecting => (open.length === 0 ? "nothing" : "commaOrEnd");
  for (let at = from; at < to; ) {
    const unit = text.charCodeAt(at);
    if (isSpace(unit)) {
      at += 1;
      continue;
    }
    const sign = text[at]!;
    const closes = sign === "}" ? "{" : sign === "]" ? "[" : undefined;
    if (closes !== undefined) {
      const allowed = expecting === "commaOrEnd" || expecting === (closes === "{" ? "nameOrEnd" : "valueOrEnd");
      if (!allowed || open.pop() !== closes) return at;
      expecting = afterValue();
      at += 1;
    } else if (expecting === "colon" || expecting === "commaOrEnd") {
      if (sign !== (expecting === "colon" ? ":" : ",")) return at;
      expecting = expecting === "colon" || open.at(-1) === "[" ? "value" : "name";
      at += 1;
    } else if (expecting === "name" || expecting === "nameOrEnd") {
      const end = sign === '"' ? stringEnd(text, at, to) : -1 - at;
      if (end < 0) return -1 - end;
      expecting = "colon";
      at = end;
    } else if (expecting === "nothing") {
      return at;
    } else if (sign === "{" || sign === "[") {
      open.push(sign);
      expecting = sign === "{" ? "nameOrEnd" : "valueOrEnd";
      at += 1;
    } else {
      const end = plainEnd(text, at, to);
      if (end < 0) return -1 - end;
      expecting = afterValue();
      at = end;
    }
  }
  return expecting === "nothing" ? undefined : to;
}

/** Behind a string, number or word; `-1 - place` of its fault otherwise. */
function plainEnd(text: string, from: number, to: number): number {
  const sign = text[from]!;
  if (sign === '"') return stringEnd(text, from, to);
  for (const word of ["true", "false", "null"]) if (text.startsWith(word, from)) return from + word.length;
  return numberEnd(text, from, to);
}

function stringEnd(text: string, from: number, to: number): number {
  for (let at = from + 1; at < to; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 0x22) return at + 1;
    if (unit < 0x20) return -1 - at;
    if (unit !== 0x5c) continue;
    at += 1;
    if (text[at] === "u") {
      if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 1, at + 5))) return -1 - at;
      at += 4;
    } else if (at < to && !'"\\/bfnrt'.includes(text[at]!)) return -1 - at;
  }
  return -1 - to;
}

function numberEnd(text: string, from: number, to: number): number {
  let at = text[from] === "-" ? from + 1 : from;
  const digits = (): boolean => {
    const first = at;
    while (at < to && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at += 1;
    return at > first;
  };
  if (text[at] === "0") at += 1;
  else if (!digits()) return -1 - at;
  if (text[at] === ".") {
    at += 1;
    if (!digits()) return -1 - at;
  }
  if (text[at] === "e" || text[at] === "E") {
    at += text[at + 1] === "+" || text[at + 1] === "-" ? 2 : 1;
    if (!digits()) return -1 - at;
  }
  return at;
}
