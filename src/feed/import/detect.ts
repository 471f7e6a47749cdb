/** Guesses the layout of a file from its name and first lines, so that most imports need no option. */
import { importLimits, openEntries } from "./entries.ts";
import { readLines } from "./lines.ts";

interface Sign {
  readonly layout: string;
  readonly name?: RegExp;
  readonly line: RegExp;
}

/** The first that fits wins; the line is the file's first that is not empty. */
const SIGNS: readonly Sign[] = [
  { layout: "mt5-ticks", line: /^<DATE>\t<TIME>\t<BID>\t<ASK>/ },
  { layout: "mt5-bars", line: /^<DATE>\t(?:<TIME>\t)?<OPEN>\t<HIGH>/ },
  { layout: "mt5-copy-rates", line: /^[^,]*,?time,open,high,low,close,tick_volume/ },
  { layout: "quotes", line: /^symbol,time,bid,ask(?:,volume)?$/ },
  { layout: "truefx", line: /^timestamp,bid,ask$/ },
  { layout: "truefx-archive", line: /^[A-Z]{3}\/[A-Z]{3},\d{8} \d\d:\d\d:\d\d\.\d{3},/ },
  { layout: "histdata", line: /^\d{8} \d{9},[\d.]+,[\d.]+,\d+$/ },
  { layout: "lean-daily", line: /^\d{8} \d\d:\d\d(?:,[\d.]+){10}$/ },
  { layout: "lean-quote", name: /_tick_quote/, line: /^[\d.]+,[\d.]+,[\d.]+$/ },
  { layout: "dukascopy-json", name: /\.json$/, line: /^(?:\[|\{"timestamp":\d+,"multiplier":)/ },
];

/** The name of a layout, or undefined. @throws `import_file_refused` where the file cannot be read */
export async function detectLayout(path: string): Promise<string | undefined> {
  for await (const { name, chunks } of openEntries(path, importLimits, { bytes: 0 })) {
    for await (const { lines } of readLines(chunks, "utf-8", 4_096)) {
      for (const given of lines) {
        const line = typeof given === "string" ? given : given.raw;
        if (line === "") continue;
        return SIGNS.find((sign) => sign.line.test(line) && (sign.name?.test(name) ?? true))?.layout;
      }
    }
    return undefined;
  }
  return undefined;
}
