/**
 * Made-up quotes with the habits of real ones: a random walk per symbol with its digits and spread, livelier while
 * London and New York are open, now and then one side only, a tick out of order, a tick twice. The same seed gives
 * the same sequence. Nothing here is a price of any market.
 */
import type { Random } from "../../src/base/index.ts";
import type { TickRow } from "../../src/feed/index.ts";

interface Instrument {
  readonly name: string;
  readonly digits: number;
  readonly start: number;
  /** In points. */
  readonly spread: number;
  /** Typical step of one tick, in points. */
  readonly step: number;
}

const INSTRUMENTS: readonly Instrument[] = [
  { name: "EURUSD", digits: 5, start: 1.1, spread: 8, step: 3 },
  { name: "GBPUSD", digits: 5, start: 1.3, spread: 12, step: 4 },
  { name: "USDJPY", digits: 3, start: 150, spread: 10, step: 4 },
  { name: "AUDUSD", digits: 5, start: 0.66, spread: 10, step: 3 },
  { name: "USDCHF", digits: 5, start: 0.88, spread: 13, step: 3 },
  { name: "USDCAD", digits: 5, start: 1.37, spread: 14, step: 3 },
  { name: "NZDUSD", digits: 5, start: 0.6, spread: 15, step: 3 },
  { name: "EURJPY", digits: 3, start: 165, spread: 16, step: 5 },
];

export const defaultSymbols: readonly string[] = INSTRUMENTS.map(({ name }) => name);

const BID_CHANGED = 2;
const ASK_CHANGED = 4;

interface Market {
  readonly instrument: Instrument;
  /** As the terminal names it, with its broker's suffix. */
  readonly name: string;
  /** In points. */
  bid: number;
  ask: number;
}

export class QuoteSource {
  readonly #random: Random;
  readonly #markets: readonly Market[];
  #repeat: TickRow | undefined;
  #sidesSent = new Set<Market>();

  /** @param symbols names of known instruments, with any suffix after a dot; unknown ones behave like EURUSD. */
  constructor(random: Random, symbols: readonly string[]) {
    this.#random = random;
    this.#markets = symbols.map((name) => {
      const plain = name.split(".")[0]!;
      const instrument = INSTRUMENTS.find((known) => known.name === plain) ?? { ...INSTRUMENTS[0]!, name: plain };
      const bid = Math.round(instrument.start * 10 ** instrument.digits);
      return { instrument, name, bid, ask: bid + instrument.spread };
    });
  }
  get symbols(): { name: string; digits: number; point: number }[] {
    return this.#markets.map(({ name, instrument: { digits } }) => ({ name, digits, point: 1 / 10 ** digits }));
  }
  /** How lively the hour is: 0.4 in the Asian night to 1.6 while London and New York overlap. */
  activity(hourUtc: number): number {
    if (hourUtc >= 12 && hourUtc < 16) return 1.6;
    if (hourUtc >= 7 && hourUtc < 20) return 1.1;
    return hourUtc < 6 ? 0.7 : 0.4;
  }
  /** To be called when a batch begins: its first quote of each symbol then names both sides. */
  beginBatch(): void {
    this.#sidesSent.clear();
    this.#repeat = undefined;
  }

  /** @param serverTimeMs the broker's clock, as if UTC */
  next(serverTimeMs: number): TickRow {
    if (this.#repeat) {
      const again = this.#repeat;
      this.#repeat = undefined;
      return again;
    }
    const chance = this.#random.next();
    const market = this.#markets[Math.floor(this.#random.next() * this.#markets.length)]!;
    const flags = this.#move(market);
    const both = !this.#sidesSent.has(market) || flags === (BID_CHANGED | ASK_CHANGED);
    this.#sidesSent.add(market);
    const late = chance < 0.001 ? 5 + Math.floor(this.#random.next() * 400) : 0;
    const tick: TickRow = [
      market.name,
      serverTimeMs - late,
      both || flags === BID_CHANGED ? price(market.bid, market) : null,
      both || flags === ASK_CHANGED ? price(market.ask, market) : null,
      null,
      1 + Math.floor(this.#random.next() * 20),
      both ? BID_CHANGED | ASK_CHANGED : flags,
    ];
    if (chance > 0.999) this.#repeat = tick;
    return tick;
  }

  /** Moves a side or both; the flags say which. */
  #move(market: Market): number {
    const { step, spread, start, digits } = market.instrument;
    const centre = Math.round(start * 10 ** digits);
    // A slight pull back to the start keeps a long run within sensible prices.
    const pull = (centre - market.bid) * 0.0005;
    const change = Math.round((this.#random.next() + this.#random.next() - 1) * 2 * step + pull);
    const side = this.#random.next();
    if (side < 0.25) {
      market.bid = Math.min(market.bid + change, market.ask - 1);
      return BID_CHANGED;
    }
    if (side < 0.5) {
      market.ask = Math.max(market.ask + change, market.bid + 1);
      return ASK_CHANGED;
    }
    market.bid += change;
    market.ask = market.bid + Math.max(1, Math.round(spread * (0.6 + this.#random.next() * 0.8)));
    return BID_CHANGED | ASK_CHANGED;
  }
}

const price = (points: number, { instrument: { digits } }: Market): string => (points / 10 ** digits).toFixed(digits);
