/** The page of a run: medians, ratios against Millpond, machine and date. */
import { readFileSync } from "node:fs";
import os from "node:os";
import type { Peer, Workload } from "./peer.ts";
import type { Measurement, Sizes } from "./workloads.ts";

const TITLES: Readonly<Record<Workload, string>> = {
  W1: "W1 · 1,000,000 ticks in batches of 1,000, two in flight, to one subscriber that decodes each (rows/s until all is there and acknowledged)",
  W2: "W2 · 2,000 ticks a second one by one, to one subscriber (hand-over until the decoded tick is there)",
  W3: "W3 · 500 ticks a second to 100 subscribers (the same, over all 50,000 deliveries a second)",
  W4: "W4 · newest tick of a symbol (reads/s with 1 and 16 in flight)",
  W5: "W5 · one-minute bars over all ticks (ticks aggregated/s)",
  W6: "W6 · one row a commit, next after the acknowledgement (commits/s with 1 and 16 in flight)",
};

const median = (values: readonly number[]): number => [...values].sort((one, two) => one - two)[values.length >> 1]!;
const number = (value: number | undefined, digits = 0): string =>
  value === undefined
    ? "–"
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

interface Line {
  readonly peer: string;
  readonly form: string;
  readonly runs: number;
  readonly ok: boolean;
  readonly perSecond: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

function linesOf(results: readonly Measurement[], workload: Workload): Line[] {
  const groups = new Map<string, Measurement[]>();
  for (const result of results) {
    if (result.workload !== workload) continue;
    const key = `${result.peer} ${result.form}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups.values()].map((group) => {
    const { peer, form } = group[0]!;
    const latency = (pick: (one: Measurement) => number | undefined): number | undefined => {
      const known = group.map(pick).filter((value) => value !== undefined);
      return known.length === 0 ? undefined : median(known);
    };
    return {
      peer,
      form,
      runs: group.length,
      ok: group.every(({ ok }) => ok),
      perSecond: median(group.map(({ perSecond }) => perSecond)),
      p50Ms: latency(({ p50Ms }) => p50Ms),
      p99Ms: latency(({ p99Ms }) => p99Ms),
    };
  });
}

/** Above 1 Millpond is better: more per second, or a smaller p99 where that is what the workload is about. */
function ratio(lines: readonly Line[], line: Line, workload: Workload): string {
  const own = lines.find(({ peer, form }) => peer === "millpond" && form === line.form);
  if (!own || line.peer === "millpond") return "";
  const latency = workload === "W2" || workload === "W3";
  const value = latency ? (line.p99Ms ?? 0) / (own.p99Ms ?? 1) : own.perSecond / line.perSecond;
  return `${value.toFixed(2)}×`;
}

export function report(
  results: readonly Measurement[],
  peers: readonly Peer[],
  skipped: readonly string[],
  sizes: Sizes,
): string {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const cpu = os.cpus()[0]?.model.trim() ?? "unknown processor";
  const parts = [
    "# Results",
    "",
    `Millpond ${version}, Node ${process.versions.node}, ${cpu}, ${os.availableParallelism()} cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${new Date().toISOString().slice(0, 10)}.`,
    "Medians of the runs counted beside them; everything on one machine over loopback, each role in a process of its own.",
    "Millpond runs with sign-in, the gate with the market rules, hash chain, `synchronous=FULL`, latest and series views",
    "and the candle flow. The ratio says how many times better Millpond is (rate, or p99 in W2 and W3).",
    "",
    ...peers.map(({ name, durability, note }) => `- **${name}**: ${durability}; ${note}`),
    ...skipped.map((reason) => `- left out: ${reason}`),
  ];
  for (const workload of Object.keys(TITLES) as Workload[]) {
    const lines = linesOf(results, workload);
    if (lines.length === 0) continue;
    parts.push(
      "",
      `## ${TITLES[workload]}`,
      "",
      "| | runs | right | per second | p50 ms | p99 ms | Millpond is |",
      "|---|---|---|---|---|---|---|",
    );
    for (const line of lines) {
      const name = `${line.peer} ${line.form}`.trim();
      const cells = [
        name,
        line.runs,
        line.ok ? "yes" : "NO",
        number(line.perSecond),
        number(line.p50Ms, 2),
        number(line.p99Ms, 2),
      ];
      parts.push(`| ${cells.join(" | ")} | ${ratio(lines, line, workload)} |`);
    }
  }
  return `${parts.join("\n")}\n\nOpen loops ran for ${sizes.openSeconds} s.\n`;
}
