/**
 * One shape for whatever a sender hands in: columns, parsed rows, JSON text, and rows the feed itself could not read.
 * Places are those of the received batch, readable and unreadable rows together.
 */
import { fail, messageOf } from "../base/index.ts";
import { type Batch, type Layout, takeRows } from "../batch/index.ts";
import { type Decoded, parseJsonRows, type RefusedRow, type RowDecoder } from "../contract/index.ts";
import { type RawBudget, type RawRow, rawOfColumns, rawOfValue } from "./raw.ts";
import type { Incoming, Submission } from "./types.ts";

export interface Received {
  readonly received: number;
  /** Rows that can be decoded. */
  readonly readable: number;
  /** The received place of a readable row. */
  placeOf(index: number): number;
  /** Rows that could not be read, ascending by place. */
  readonly unreadable: readonly RefusedRow[];
  /** Decodes the readable rows of [from, to); places in the answer count from `from`. */
  decode(decoder: RowDecoder, from: number, to: number): Decoded;
  /** The raw form of a received row. */
  rawOf(place: number, budget: RawBudget): RawRow;
}

type Unreadable = NonNullable<Submission["unreadable"]>;

/** @throws `batch_too_large`, `json_invalid`, `batch_malformed` */
export function receive(incoming: Incoming, unreadable: Unreadable, layout: Layout, maxRows: number): Received {
  const received = open(incoming, layout, maxRows);
  const total = received.received + unreadable.length;
  if (total > maxRows) throw fail("batch_too_large", { rows: total, limit: maxRows });
  return unreadable.length === 0 ? received : interleaved(received, unreadable);
}

function open(incoming: Incoming, layout: Layout, maxRows: number): Received {
  switch (incoming.kind) {
    case "columns":
      return ofColumns(incoming.batch, layout);
    case "rows":
      return ofRows(incoming.rows);
    case "json":
      return ofJson(incoming.text, layout, maxRows);
  }
}

function ofColumns(batch: Batch, layout: Layout): Received {
  const { count } = batch;
  return {
    received: count,
    readable: count,
    placeOf: (index) => index,
    unreadable: [],
    decode: (decoder, from, to) =>
      decoder.checkColumns(from === 0 && to === count ? batch : takeRows(batch, span(from, to))),
    rawOf: (place, budget) => rawOfColumns(layout, batch, place, budget),
  };
}

function ofRows(rows: readonly unknown[]): Received {
  return {
    received: rows.length,
    readable: rows.length,
    placeOf: (index) => index,
    unreadable: [],
    decode: (decoder, from, to) => decoder.decodeRows(from === 0 && to === rows.length ? rows : rows.slice(from, to)),
    rawOf: (place, budget) => rawOfValue(rows[place], budget),
  };
}

function ofJson(text: string, layout: Layout, maxRows: number): Received {
  const parsed = parseJsonRows(text, { rows: maxRows, decimals: layout.some(({ type }) => type === "decimal") });
  return {
    ...ofRows(parsed.rows),
    received: parsed.received,
    placeOf: (index) => parsed.places[index]!,
    unreadable: parsed.unreadable,
    rawOf: (place, budget) => budget.keep(parsed.rawOf(place)),
  };
}

/** Puts the rows a feed could not read at the places it names; the others fill the places left, in order. */
function interleaved(inner: Received, unreadable: Unreadable): Received {
  const received = inner.received + unreadable.length;
  const raws = new Map(unreadable.map(({ place, raw }) => [place, raw]));
  const inRange = unreadable.every(({ place }) => Number.isInteger(place) && place >= 0 && place < received);
  if (!inRange || raws.size !== unreadable.length) {
    throw fail("batch_malformed", { problem: "the places of unreadable rows are not distinct places of the batch" });
  }
  const outer = new Uint32Array(inner.received);
  const back = new Map<number, number>();
  for (let place = 0, next = 0; place < received; place++) {
    if (raws.has(place)) continue;
    back.set(place, next);
    outer[next++] = place;
  }
  const code = "row_unreadable";
  const own = unreadable.map(({ place, problem }): RefusedRow => {
    return { place, code, message: messageOf(code, { problem: problem.slice(0, 500) }) };
  });
  const others = inner.unreadable.map((row) => ({ ...row, place: outer[row.place]! }));
  return {
    received,
    readable: inner.readable,
    placeOf: (index) => outer[inner.placeOf(index)]!,
    unreadable: [...own, ...others].sort((left, right) => left.place - right.place),
    decode: (decoder, from, to) => inner.decode(decoder, from, to),
    rawOf: (place, budget) => {
      const raw = raws.get(place);
      return raw === undefined ? inner.rawOf(back.get(place)!, budget) : budget.keep(raw);
    },
  };
}

export const span = (from: number, to: number): Uint32Array =>
  Uint32Array.from({ length: to - from }, (_, index) => from + index);
