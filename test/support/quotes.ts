/**
 * Scripts of quotes for one session each, whose every row has a known outcome: good ones, ones out of order, repeated,
 * late, crossed, jumping and malformed ones. Each row has a number of its own as its volume, by which it is found again
 * wherever it turns up.
 */
import type { Random } from "../../src/base/index.ts";

export type Outcome = "accepted" | "duplicate" | "quarantined" | "late" | "refused";

export interface Quote {
  readonly symbol: string;
  /** Microseconds. */
  readonly time: number;
  readonly bid: unknown;
  readonly ask: number;
  /** The row's own number. */
  readonly volume: number;
}

export type Account = Readonly<Record<Outcome | "received", number>>;

export interface QuoteBatch {
  readonly rows: readonly Quote[];
  readonly account: Account;
  /** Numbers of the rows that must be stored. */
  readonly accepted: readonly number[];
}

export const startOfDay = Date.UTC(2026, 0, 5, 10) * 1000;
const SECOND = 1_000_000;

/** Row numbers count through all scripts of a test. */
export class RowNumbers {
  last = 0;
  next(): number {
    this.last += 1;
    return this.last;
  }
}

export class QuoteScript {
  /** Event time of the newest accepted row. */
  newest: number;
  readonly #random: Random;
  readonly #symbols: readonly string[];
  readonly #numbers: RowNumbers;
  readonly #unitMicros: number;
  readonly #accepted: Quote[] = [];
  readonly #newestOf = new Map<string, number>();

  /**
   * @param symbols of this script alone
   * @param unitMicros times are multiples of it: bridges speak milliseconds
   */
  constructor(random: Random, numbers: RowNumbers, symbols: readonly string[], unitMicros = 1, start = startOfDay) {
    this.#random = random;
    this.#numbers = numbers;
    this.#symbols = symbols;
    this.#unitMicros = unitMicros;
    this.newest = start;
  }

  batch(count: number): QuoteBatch {
    const account = { received: count, accepted: 0, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
    const accepted: number[] = [];
    const rows: Quote[] = [];
    for (let place = 0; place < count; place++) {
      const { quote, outcome } = this.#next();
      rows.push(quote);
      account[outcome] += 1;
      if (outcome === "accepted") accepted.push(quote.volume);
    }
    return { rows, account, accepted };
  }
  /** Good rows far ahead, one a symbol: every window before them closes. */
  closing(at: number): QuoteBatch {
    const rows = this.#symbols.map((symbol, place) => this.#accept(this.#good(symbol, at + place * 1000)));
    const account = { received: rows.length, accepted: rows.length, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
    return { rows, account, accepted: rows.map(({ volume }) => volume) };
  }

  #next(): { quote: Quote; outcome: Outcome } {
    const symbol = this.#symbols[Math.floor(this.#random.next() * this.#symbols.length)]!;
    const ahead = this.newest + this.#micros(0.001, 2);
    const kind = this.#accepted.length < 5 ? 1 : this.#random.next();
    if (kind < 0.08) return { quote: this.#accepted[this.#pick(this.#accepted.length)]!, outcome: "duplicate" };
    if (kind < 0.12) return { quote: this.#good(symbol, this.newest - this.#micros(61, 600)), outcome: "late" };
    if (kind < 0.16) return { quote: { ...this.#good(symbol, ahead), ask: 0.5 }, outcome: "quarantined" };
    if (kind < 0.2) return { quote: { ...this.#good(symbol, ahead), bid: "much" }, outcome: "refused" };
    if (kind < 0.23 && ahead - (this.#newestOf.get(symbol) ?? 0) < 3_000 * SECOND) {
      return { quote: { ...this.#good(symbol, ahead), bid: 1.2, ask: 1.3 }, outcome: "quarantined" };
    }
    const behind = kind < 0.35 ? this.newest - this.#micros(0.001, 55) : ahead;
    return { quote: this.#accept(this.#good(symbol, behind)), outcome: "accepted" };
  }
  #good(symbol: string, time: number): Quote {
    const bid = 1 + this.#pick(1000) / 100_000;
    return { symbol, time, bid, ask: bid + this.#pick(50) / 100_000, volume: this.#numbers.next() };
  }
  #accept(quote: Quote): Quote {
    this.newest = Math.max(this.newest, quote.time);
    this.#newestOf.set(quote.symbol, Math.max(quote.time, this.#newestOf.get(quote.symbol) ?? 0));
    this.#accepted.push(quote);
    return quote;
  }
  #pick(count: number): number {
    return Math.floor(this.#random.next() * count);
  }
  #micros(fromSeconds: number, throughSeconds: number): number {
    const micros = (fromSeconds + this.#random.next() * (throughSeconds - fromSeconds)) * SECOND;
    return Math.ceil(micros / this.#unitMicros) * this.#unitMicros;
  }
}
