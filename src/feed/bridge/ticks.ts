/**
 * Decodes the tick rows of one session once, into columns. What cannot be read as a tick is set aside by its place,
 * so that one bad row costs only itself.
 *
 * A terminal may leave out the side of a quote that did not change. The missing side is filled from the symbol's last
 * known one: earlier in the batch, or in batches before it. What is known moves forward with submitted batches and
 * falls back to the durable ones when a submission fails, so a batch that is sent again is filled as the first time.
 */
import { type Batch, ColumnBuilder } from "../../batch/index.ts";
import type { Zone } from "../zone.ts";

export interface UnreadableRow {
  readonly place: number;
  readonly raw: string;
  readonly problem: string;
}

export interface DecodedTicks {
  /** In the layout `tickFacts`; holds the readable rows only. */
  readonly facts: Batch;
  readonly unreadable: readonly UnreadableRow[];
  /** The last sides per symbol as this batch leaves them; handed to `durable` once it is. */
  readonly sides: Sides;
}

interface Quote {
  bid: number;
  ask: number;
}
export type Sides = Map<string, Quote>;

const BID_CHANGED = 2;
const ASK_CHANGED = 4;
const NUMBER_FORM = /^-?\d{1,15}(?:\.\d{1,12})?$/;
const LONGEST_SYMBOL = 64;
/** Milliseconds within the range of an instant. */
const LARGEST_TIME_MS = 2 ** 53 / 1000;

export class TickDecoder {
  #durable: Sides = new Map();
  /** What batches submitted but not yet durable have said, on top of the durable sides. */
  #ahead: Sides = new Map();

  decode(ticks: readonly unknown[], zone: Zone): DecodedTicks {
    const reader = new TickReader(ticks.length, zone, (symbol) => this.#ahead.get(symbol) ?? this.#durable.get(symbol));
    const unreadable: UnreadableRow[] = [];
    for (let place = 0; place < ticks.length; place++) {
      const problem = reader.add(ticks[place]);
      if (problem !== null) unreadable.push({ place, raw: rawText(ticks[place]), problem });
    }
    for (const [symbol, quote] of reader.sides) this.#ahead.set(symbol, { ...quote });
    return { facts: reader.finish(), unreadable, sides: reader.sides };
  }
  durable(sides: Sides): void {
    for (const [symbol, quote] of sides) this.#durable.set(symbol, quote);
  }
  /** Forgets what batches said that did not become durable. */
  rewind(): void {
    this.#ahead = new Map();
  }
}

class TickReader {
  readonly sides: Sides = new Map();
  readonly #zone: Zone;
  readonly #known: (symbol: string) => Quote | undefined;
  readonly #symbol: ColumnBuilder;
  readonly #time: ColumnBuilder;
  readonly #bid: ColumnBuilder;
  readonly #ask: ColumnBuilder;
  readonly #last: ColumnBuilder;
  readonly #volume: ColumnBuilder;
  readonly #flags: ColumnBuilder;

  constructor(capacity: number, zone: Zone, known: (symbol: string) => Quote | undefined) {
    this.#zone = zone;
    this.#known = known;
    this.#symbol = new ColumnBuilder("text", capacity);
    this.#time = new ColumnBuilder("number", capacity);
    this.#bid = new ColumnBuilder("number", capacity);
    this.#ask = new ColumnBuilder("number", capacity);
    this.#last = new ColumnBuilder("number", capacity);
    this.#volume = new ColumnBuilder("number", capacity);
    this.#flags = new ColumnBuilder("number", capacity);
  }

  /** Null, or what is wrong with the row. */
  add(row: unknown): string | null {
    if (!Array.isArray(row)) return "a tick must be an array";
    if (row.length < 4 || row.length > 7) return "a tick has 4 to 7 elements";
    const [symbol, time] = row as unknown[];
    if (typeof symbol !== "string" || symbol.length === 0 || symbol.length > LONGEST_SYMBOL) return "no symbol";
    if (!Number.isInteger(time) || Math.abs(time as number) > LARGEST_TIME_MS) return "the time is not in milliseconds";
    const bid = numberIn(row[2]);
    const ask = numberIn(row[3]);
    const last = numberIn(row[4]);
    const volume = numberIn(row[5]);
    if (bid === BAD || ask === BAD || last === BAD || volume === BAD) return "a number is malformed";
    const flags = row[6] ?? null;
    if (flags !== null && !Number.isInteger(flags)) return "flags is not an integer";
    const quote = this.#quoteOf(symbol);
    const mask = (flags as number | null) ?? 0;
    quote.bid = sideOf(bid, (mask & BID_CHANGED) !== 0, quote.bid);
    quote.ask = sideOf(ask, (mask & ASK_CHANGED) !== 0, quote.ask);
    this.#symbol.addText(symbol);
    this.#time.addNumber(this.#zone.toInstant((time as number) * 1000));
    addCell(this.#bid, quote.bid);
    addCell(this.#ask, quote.ask);
    addCell(this.#last, last);
    addCell(this.#volume, volume);
    if (flags === null) this.#flags.addNull();
    else this.#flags.addNumber(flags as number);
    return null;
  }
  finish(): Batch {
    const builders = [this.#symbol, this.#time, this.#bid, this.#ask, this.#last, this.#volume, this.#flags];
    return { count: this.#symbol.count, columns: builders.map((builder) => builder.finish()) };
  }
  #quoteOf(symbol: string): Quote {
    let quote = this.sides.get(symbol);
    if (quote === undefined) {
      const known = this.#known(symbol);
      quote = known === undefined ? { bid: Number.NaN, ask: Number.NaN } : { bid: known.bid, ask: known.ask };
      this.sides.set(symbol, quote);
    }
    return quote;
  }
}

/** Absent numbers are NaN, which JSON cannot carry; a malformed one is negative infinity, which no price can be. */
const BAD = Number.NEGATIVE_INFINITY;

function numberIn(cell: unknown): number {
  if (typeof cell === "number") return cell;
  if (cell === null || cell === undefined || cell === "") return Number.NaN;
  return typeof cell === "string" && NUMBER_FORM.test(cell) ? Number(cell) : BAD;
}

/** A side of 0 or without a value did not change, unless the flags say that it did: then there is no quote on it. */
function sideOf(given: number, changed: boolean, known: number): number {
  if (given !== 0 && !Number.isNaN(given)) return given;
  return changed ? Number.NaN : known;
}

function addCell(builder: ColumnBuilder, value: number): void {
  if (Number.isNaN(value)) builder.addNull();
  else builder.addNumber(value);
}

/** JSON text of a row that could not be read; rows nested too deep to be written again are named instead. */
export function rawText(row: unknown): string {
  try {
    return (JSON.stringify(row) ?? "").slice(0, 65_536);
  } catch {
    return "(nested too deep to be kept)";
  }
}
