/** Latest reads, many in one message, answered as one text. */
import { fail, formatInstant } from "../../base/index.ts";
import type { Layout } from "../../batch/index.ts";
import type { Contract } from "../../contract/index.ts";
import type { LatestRow } from "../../view/index.ts";
import { contractOf } from "../conditions.ts";
import type { PoolDoor } from "../types.ts";
import type { Latest } from "./messages.ts";

type RowWriter = (row: LatestRow["row"]) => string;

const writers = new WeakMap<Layout, RowWriter>();

/** Rows as JSON, with the names of the layout made ready once. */
function writerOf(layout: Layout): RowWriter {
  const known = writers.get(layout);
  if (known !== undefined) return known;
  const heads = layout.map(({ name }, index) => `${index === 0 ? "{" : ","}${JSON.stringify(name)}:`);
  const writer: RowWriter = (row) => {
    let text = "";
    for (let index = 0; index < layout.length; index++) {
      const { name, type } = layout[index]!;
      const value = row[name];
      text += heads[index]!;
      if (typeof value === "number") text += type === "instant" ? `"${formatInstant(value)}"` : String(value);
      else if (typeof value === "string") text += type === "json" ? value : JSON.stringify(value);
      else text += value === undefined ? "null" : String(value);
    }
    return `${text}}`;
  };
  writers.set(layout, writer);
  return writer;
}

export function latestRowText(contract: Contract, found: LatestRow): string {
  const row = writerOf(contract.layout)(found.row);
  return `{"row":${row},"position":${found.position},"place":${found.place}}`;
}

/** Of one answer. A key may be asked for many times over, and a row may be long. */
const MOST_CHARACTERS = 16 * 1024 * 1024;

/** @throws `dataset_unknown`, `request_invalid` */
export function latestText(door: PoolDoor, { id, dataset, keys }: Latest): string {
  const { contract } = contractOf(door.contracts, dataset);
  const position = door.head();
  let text = `{"type":"values","id":${id},"position":${position},"values":[`;
  for (let place = 0; place < keys.length; place++) {
    const key = keys[place]!;
    if (key.length !== contract.key.length) throw wrongKey(contract);
    const found = door.latest.get(dataset, key);
    text += (place === 0 ? "" : ",") + (found === undefined ? "null" : latestRowText(contract, found));
    if (text.length > MOST_CHARACTERS) throw fail("request_invalid", { problem: "ask for fewer keys at once" });
  }
  return `${text}]}`;
}

export const wrongKey = (contract: Contract) =>
  fail("request_invalid", { problem: `a key of '${contract.name}' is [${contract.key.join(", ")}]` });
