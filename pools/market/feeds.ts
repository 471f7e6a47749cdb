/** Where quotes come from, and what is special about each source. */
import { type FeedPolicy, feedPolicy } from "../../src/contract/index.ts";
import type { FeedDeclaration } from "../../src/pool/index.ts";
import { bars, ticks } from "./datasets.ts";

/** Brokers mark account types by a suffix: `EURUSD.m` is EURUSD. */
const withPlainSymbols = (feed: string, lateness?: null): FeedPolicy =>
  feedPolicy({
    feed,
    dataset: ticks,
    normalise: (t) => ({ symbol: t.symbol.before(".").upper() }),
    ...(lateness === null ? { lateness } : {}),
  });

export const feeds: readonly FeedDeclaration[] = [
  {
    name: "simulated",
    kind: "bridge",
    dataset: "ticks",
    description: "Simulated terminals: made-up quotes, to look at and to test with",
    simulated: true,
    policy: withPlainSymbols("simulated"),
  },
  {
    name: "mt5",
    kind: "bridge",
    dataset: "ticks",
    description: "MetaTrader 5 terminals",
    policy: withPlainSymbols("mt5"),
  },
  { name: "api", kind: "api", dataset: "ticks", description: "Rows appended by programs" },
  {
    name: "files",
    kind: "import",
    dataset: "ticks",
    description: "Tick files of any layout",
    policy: withPlainSymbols("files", null),
  },
  {
    name: "oanda",
    kind: "import",
    dataset: "ticks",
    description: "OANDA history",
    policy: feedPolicy({ feed: "oanda", dataset: ticks, lateness: null }),
  },
  {
    name: "fxcm",
    kind: "import",
    dataset: "ticks",
    description: "FXCM history: crossed quotes are how this feed is, so they are counted and kept",
    policy: feedPolicy({ feed: "fxcm", dataset: ticks, lateness: null, rules: { crossed: "count" } }),
  },
  {
    name: "bars",
    kind: "import",
    dataset: "bars",
    description: "Bars as terminals export them",
    policy: feedPolicy({ feed: "bars", dataset: bars, lateness: null }),
  },
];
