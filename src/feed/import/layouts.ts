/** The layouts that ship. Each is data: a new one needs no code (`--layout file.json`). */
import { fail } from "../../base/index.ts";
import { type ColumnSpec, csvLayout, type ImportLayout } from "./layout.ts";

const price = (column: string | number): ColumnSpec => ({ column, type: "float" });
const count = (column: string | number, optional = false): ColumnSpec => ({ column, type: "float", optional });

const SYMBOL_FIRST = "^(?<symbol>[A-Za-z0-9.#]+)_";
const MT5_NAME = "^(?<symbol>[A-Za-z0-9.#]+)_(?<timeframe>M\\d+|H\\d+|D1|W1|MN1?|Daily|Weekly|Monthly)_";

const all: readonly ImportLayout[] = [
  csvLayout({
    name: "quotes",
    description: "columns by name: symbol, time in RFC 3339 (UTC without a zone), bid, ask, and volume if it is there",
    delimiter: ",",
    header: true,
    columns: {
      symbol: { column: "symbol" },
      time: { column: "time", type: "instant" },
      bid: price("bid"),
      ask: price("ask"),
      volume: count("volume", true),
    },
    zone: "UTC",
  }),
  csvLayout({
    name: "lean-quote",
    description: "LEAN tick quotes: milliseconds since midnight, bid, ask; date and symbol from the name",
    delimiter: ",",
    header: false,
    columns: { time: { column: 0, type: "instant", format: "ms-of-day" }, bid: price(1), ask: price(2) },
    fileName: ["(?<date>\\d{8})_(?<symbol>[a-z0-9]+)_tick_quote"],
    needs: ["symbol", "date"],
    zoneByPath: { oanda: "UTC", fxcm: "-05:00" },
  }),
  csvLayout({
    name: "truefx",
    description: "quotes with a header timestamp,bid,ask in RFC 3339; symbol from the name",
    delimiter: ",",
    header: true,
    columns: { time: { column: "timestamp", type: "instant" }, bid: price("bid"), ask: price("ask") },
    fileName: ["^truefx_(?<symbol>[a-zA-Z]{6})", "^(?<symbol>[A-Za-z]{6})[-_]"],
    needs: ["symbol"],
    zone: "UTC",
  }),
  csvLayout({
    name: "truefx-archive",
    description: "TrueFX monthly files: symbol, time in UTC, bid, ask, no header",
    delimiter: ",",
    header: false,
    columns: {
      symbol: { column: 0 },
      time: { column: 1, type: "instant", format: "YYYYMMDD HH:mm:ss.SSS" },
      bid: price(2),
      ask: price(3),
    },
    zone: "UTC",
  }),
  csvLayout({
    name: "histdata",
    description: "HistData ticks: Eastern Standard Time without daylight saving, bid, ask, volume",
    delimiter: ",",
    header: false,
    columns: {
      time: { column: 0, type: "instant", format: "YYYYMMDD HHmmssSSS" },
      bid: price(1),
      ask: price(2),
      volume: count(3),
    },
    fileName: ["^DAT_ASCII_(?<symbol>[A-Z0-9]+)_T_", "^histdata_(?<symbol>[a-z0-9]+)_"],
    needs: ["symbol"],
    zone: "-05:00",
  }),
  csvLayout({
    name: "mt5-ticks",
    description: "MetaTrader 5 tick export; empty cells mean unchanged; server time, so a zone must be given",
    delimiter: "\t",
    header: true,
    columns: {
      time: { column: ["<DATE>", "<TIME>"], type: "instant", format: "YYYY.MM.DD HH:mm:ss[.SSS]" },
      bid: price("<BID>"),
      ask: price("<ASK>"),
      last: count("<LAST>", true),
      volume: count("<VOLUME>", true),
      flags: { column: "<FLAGS>", type: "integer", optional: true },
    },
    fill: ["bid", "ask"],
    fileName: [SYMBOL_FIRST],
    needs: ["symbol"],
  }),
  csvLayout({
    name: "mt5-bars",
    description: "MetaTrader 5 bar export, with or without a time column; server time, so a zone must be given",
    delimiter: "\t",
    header: true,
    columns: {
      time: { column: ["<DATE>", "<TIME>"], optional: true, type: "instant", format: "YYYY.MM.DD[ HH:mm:ss]" },
      open: price("<OPEN>"),
      high: price("<HIGH>"),
      low: price("<LOW>"),
      close: price("<CLOSE>"),
      tick_volume: count("<TICKVOL>"),
      volume: count("<VOL>"),
      spread: count("<SPREAD>"),
    },
    fileName: [MT5_NAME],
    needs: ["symbol", "timeframe"],
  }),
  csvLayout({
    name: "mt5-copy-rates",
    description: "bars written by the MetaTrader 5 Python package; epoch seconds of server time, zone must be given",
    delimiter: ",",
    header: true,
    columns: {
      time: { column: "time", type: "instant", format: "epoch-s" },
      open: price("open"),
      high: price("high"),
      low: price("low"),
      close: price("close"),
      tick_volume: count("tick_volume"),
      volume: count("real_volume", true),
      spread: count("spread", true),
    },
    fileName: [MT5_NAME],
    needs: ["symbol", "timeframe"],
  }),
  csvLayout({
    name: "lean-daily",
    description: "LEAN daily quote bars: time, bid open high low close size, ask open high low close size",
    delimiter: ",",
    header: false,
    columns: {
      time: { column: 0, type: "instant", format: "YYYYMMDD HH:mm" },
      open: price(1),
      high: price(2),
      low: price(3),
      close: price(4),
      bid_size: count(5),
      ask_open: price(6),
      ask_high: price(7),
      ask_low: price(8),
      ask_close: price(9),
      ask_size: count(10),
    },
    constants: { timeframe: "D1" },
    fileName: ["^(?<symbol>[a-z0-9]+)\\.csv$"],
    needs: ["symbol"],
    zoneByPath: { oanda: "UTC", fxcm: "-05:00" },
  }),
  {
    kind: "json",
    name: "dukascopy-json",
    description: "Dukascopy ticks as JSON: rows of [ms, ask, bid, ask volume, bid volume], or an hour of differences",
    shape: "dukascopy",
    fileName: ["^dukascopy_ticks_(?<symbol>[a-z0-9]{6})_", "^(?<symbol>[a-zA-Z0-9]{6})[-_]"],
    needs: ["symbol"],
    zone: "UTC",
  },
];

export const importLayouts: ReadonlyMap<string, ImportLayout> = new Map(all.map((layout) => [layout.name, layout]));

/** @throws `import_layout_unknown` */
export function importLayout(name: string): ImportLayout {
  const layout = importLayouts.get(name);
  if (!layout) throw fail("import_layout_unknown", { layout: name.slice(0, 64), known: [...importLayouts.keys()] });
  return layout;
}
