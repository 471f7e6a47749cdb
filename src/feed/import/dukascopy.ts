/** Dukascopy's two JSON shapes to columns: rows of numbers, or one hour as differences from a first tick. */

import { fail } from "../../base/index.ts";
import { type Batch, ColumnBuilder, columnKind, type Layout, type Value } from "../../batch/index.ts";

export interface JsonPart {
  readonly facts: Batch;
  readonly unreadable: readonly { readonly place: number; readonly raw: string; readonly problem: string }[];
}

interface Differences {
  readonly timestamp: number;
  readonly multiplier: number;
  readonly ask: number;
  readonly bid: number;
  readonly times: readonly number[];
  readonly asks: readonly number[];
  readonly bids: readonly number[];
  readonly askVolumes: readonly number[];
  readonly bidVolumes: readonly number[];
}

const refused = (problem: string) => fail("import_file_refused", { problem });

/** @throws `import_file_refused` where the text is of neither shape. */
export function* dukascopyParts(
  text: string,
  layout: Layout,
  constants: Readonly<Record<string, Value>>,
  rows: number,
): Generator<JsonPart> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused("it is not JSON");
  }
  const ticks: Iterable<unknown> = Array.isArray(value) ? value : expand(value);
  const order = ["time", "ask", "bid", "ask_volume", "bid_volume"].map((fact) =>
    layout.findIndex(({ name }) => name === fact),
  );
  const cells: Value[] = layout.map(({ name }) => constants[name] ?? null);
  const begin = (): ColumnBuilder[] => layout.map(({ type }) => new ColumnBuilder(columnKind(type), rows));
  let builders = begin();
  let unreadable: { place: number; raw: string; problem: string }[] = [];
  let place = 0;
  const part = (): JsonPart => {
    const done = { count: builders[0]!.count, columns: builders.map((builder) => builder.finish()) };
    return { facts: done, unreadable };
  };
  for (const tick of ticks) {
    if (!isTick(tick)) unreadable.push({ place, raw: shortText(tick), problem: "not five numbers" });
    else {
      for (let index = 0; index < order.length; index++)
        cells[order[index]!] = index === 0 ? Math.round(tick[0]! * 1000) : tick[index]!;
      for (let index = 0; index < cells.length; index++) builders[index]!.add(cells[index]!);
    }
    if (++place < rows) continue;
    yield part();
    builders = begin();
    unreadable = [];
    place = 0;
  }
  if (place > 0) yield part();
}

const isTick = (tick: unknown): tick is readonly number[] =>
  Array.isArray(tick) && tick.length === 5 && tick.every((cell) => typeof cell === "number");

function shortText(tick: unknown): string {
  try {
    return JSON.stringify(tick).slice(0, 1_024);
  } catch {
    return "(nested too deep to be kept)";
  }
}

function* expand(value: unknown): Generator<unknown> {
  const given = value as Differences | null;
  const lists = [given?.times, given?.asks, given?.bids, given?.askVolumes, given?.bidVolumes];
  const length = given?.times?.length;
  if (!given || lists.some((list) => !Array.isArray(list) || list.length !== length))
    throw refused("it is neither rows of ticks nor an hour of differences");
  let time = given.timestamp;
  // Prices are counted in whole steps, so that many small differences add up exactly.
  let ask = Math.round(given.ask / given.multiplier);
  let bid = Math.round(given.bid / given.multiplier);
  const digits = Math.max(0, Math.round(-Math.log10(given.multiplier)));
  for (let index = 0; index < given.times.length; index++) {
    time += given.times[index]!;
    ask += given.asks[index]!;
    bid += given.bids[index]!;
    const prices = [ask, bid].map((steps) => Number((steps * given.multiplier).toFixed(digits)));
    yield [time, ...prices, given.askVolumes[index], given.bidVolumes[index]];
  }
}
