/**
 * The live display of `start`: on a terminal redrawn in place each second; elsewhere one line every few seconds; with
 * `--json` the figures themselves, a line each. What it says at the end stays on the screen.
 */
import process from "node:process";
import type { Hop } from "../../operate/index.ts";
import { accountLine } from "../account.ts";
import { rounded } from "../commands/status.ts";
import { facts, type Output, printable, table } from "../output.ts";
import type { FeedFigures, Figures, Percentiles } from "./figures.ts";

export interface Display {
  show(figures: Figures): void;
  /** A line that stays. */
  say(event: string, details: Readonly<Record<string, unknown>>, text: string): void;
}

export interface Header {
  readonly pool: string;
  readonly url: string;
  readonly bridgeUrl: string | undefined;
}

export function createDisplay(output: Output, header: Header): Display {
  const say: Display["say"] = (event, details, text) => output.element({ event, ...details }, () => text);
  if (!output.json && process.stdout.isTTY) return inPlace(header);
  return {
    say,
    show: (figures) => output.element({ event: "figures", ...figures }, () => compactLine(figures)),
  };
}

function inPlace(header: Header): Display {
  const { stdout } = process;
  let drawn = 0;
  const clear = (): void => {
    if (drawn > 0) stdout.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  return {
    show(figures) {
      const width = (stdout.columns ?? 100) - 1;
      const lines = fullText(header, figures).split("\n");
      // What does not fit would scroll, and could not be drawn over any more.
      const fitting = lines.slice(0, Math.max(1, (stdout.rows ?? 40) - 2)).map((line) => line.slice(0, width));
      clear();
      stdout.write(`${fitting.join("\n")}\n`);
      drawn = fitting.length;
    },
    say(_event, _details, text) {
      clear();
      stdout.write(`${text}\n`);
    },
  };
}

const latencyText = (latency: Percentiles | null): string =>
  latency === null ? "–" : `${rounded(latency.p50)} / ${rounded(latency.p99)}`;

const feedName = ({ feed, simulated }: FeedFigures): string => (simulated ? `${feed} (SIMULATED)` : feed);

export function fullText({ pool, url, bridgeUrl }: Header, figures: Figures): string {
  const { position, ready, reasons, feeds, chains, idleChains, views } = figures;
  const state = ready ? "ready" : `NOT READY: ${printable(reasons.join("; "))}`;
  const count = (name: keyof FeedFigures["account"]) => ({
    title: name,
    value: ({ account }: FeedFigures) => account[name],
    right: true,
  });
  return [
    `pool ${pool} · ${state} · position ${position.toLocaleString("en")}`,
    "",
    table(feeds, [
      { title: "feed", value: feedName },
      { title: "state", value: ({ state: feedState }) => feedState },
      { title: "rows/s", value: ({ rowsPerSecond }) => rowsPerSecond.toFixed(1), right: true },
      ...(["received", "accepted", "duplicate", "quarantined", "late", "refused"] as const).map(count),
      { title: "unaccounted", value: ({ unaccounted }) => unaccounted, right: true },
    ]),
    "",
    table(feeds, [
      { title: "ms from the gate, p50 / p99", value: feedName },
      { title: "to durable", value: ({ durableMs }) => latencyText(durableMs), right: true },
      { title: "to a subscriber over loopback", value: ({ pushedMs }) => latencyText(pushedMs), right: true },
    ]),
    "",
    ...chains.map(({ hops }) => hops.map(hopText).join(" → ")),
    idleChains === 0 ? "" : `${idleChains} more chains are idle; see 'millpond chains'`,
    "",
    `view lag in commits: ${views.map(({ view, lag }) => `${view} ${lag.toLocaleString("en")}`).join(", ")}`,
    "",
    facts([
      ["API", `${url}/docs`],
      ["metrics", `${url}/metrics`],
      ...(bridgeUrl === undefined ? [] : ([["bridge", bridgeUrl]] as const)),
    ]),
    "Ctrl-C drains and stops; a second one stops at once",
  ].join("\n");
}

function hopText({ kind, name, state, rowsPerSecond, lag }: Hop): string {
  switch (kind) {
    case "feed":
      return `${name}${state === undefined ? "" : ` ${state}`}`;
    case "gate":
      return `gate ${name} ${(rowsPerSecond ?? 0).toFixed(1)}/s`;
    case "flow":
      return `flow ${name} lag ${lag ?? 0}`;
    case "view":
      return `${name} lag ${lag ?? 0}`;
    default:
      return kind;
  }
}

export function compactLine({ position, ready, feeds, views }: Figures): string {
  const told = feeds
    .filter(({ rowsPerSecond, state }) => state === "live" || state === "stale" || rowsPerSecond > 0)
    .map(
      (figures) =>
        `${feedName(figures)} ${figures.rowsPerSecond.toFixed(1)}/s, ${accountLine(figures.account)}, ms to durable ` +
        `${latencyText(figures.durableMs)}, to subscriber ${latencyText(figures.pushedMs)}`,
    );
  const lags = views.map(({ view, lag }) => `${view} ${lag}`).join(", ");
  return [`position ${position}${ready ? "" : " NOT READY"}`, ...told, `view lag ${lags}`].join(" | ");
}
