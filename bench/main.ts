/**
 * `npm run bench`: the six workloads on Millpond and on what one would pick instead, side by side in one run, each
 * role in a process of its own; medians of the repetitions go to bench/RESULTS.md.
 *
 *   npm run bench -- --only W1,W2 --peers millpond,sqlite-polled --reps 1 --dry
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Peer, Workload } from "./peer.ts";
import { duckdb } from "./peers/duckdb.ts";
import { millpond } from "./peers/millpond.ts";
import { nats } from "./peers/nats.ts";
import { postgres } from "./peers/postgres.ts";
import { redis } from "./peers/redis.ts";
import { bare, polled } from "./peers/sqlite.ts";
import { report } from "./report.ts";
import { type Measurement, measure } from "./workloads.ts";

const CANDIDATES: readonly (readonly [Peer, string])[] = [
  [millpond, "./peers/millpond.ts"],
  [bare, "./peers/sqlite.ts"],
  [polled, "./peers/sqlite.ts"],
  [postgres, "./peers/postgres.ts"],
  [redis, "./peers/redis.ts"],
  [nats, "./peers/nats.ts"],
  [duckdb, "./peers/duckdb.ts"],
];

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    peers: { type: "string" },
    reps: { type: "string", default: "3" },
    rows: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "15" },
    dry: { type: "boolean", default: false },
  },
});
const sizes = { rows: Number(options.rows), openSeconds: Number(options.seconds) };
const wantedPeers = options.peers?.split(",");
const wanted = options.only?.split(",") as Workload[] | undefined;
// W4 and W5 read what W1 stored, so that W1 runs first whenever one of them is wanted.
const needed = (workload: Workload): boolean =>
  wanted === undefined ||
  wanted.includes(workload) ||
  (workload === "W1" && (wanted.includes("W4") || wanted.includes("W5")));
const ORDER: readonly Workload[] = ["W1", "W4", "W5", "W2", "W3", "W6"];

const results: Measurement[] = [];
const skipped: string[] = [];
for (let repetition = 1; repetition <= Number(options.reps); repetition++) {
  for (const [peer, module] of CANDIDATES) {
    if (wantedPeers && !wantedPeers.includes(peer.name)) continue;
    const reason = await peer.unavailable();
    if (reason !== undefined) {
      if (repetition === 1) skipped.push(`${peer.name}: ${reason}`);
      continue;
    }
    await runPeer(peer, new URL(module, import.meta.url).href, repetition);
  }
}

async function runPeer(peer: Peer, module: string, repetition: number): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "millpond-bench-"));
  // Servers that must not run as root run as another user, who has to get in.
  chmodSync(folder, 0o755);
  const started = await peer.start(folder);
  try {
    for (const workload of ORDER) {
      if (!peer.workloads.includes(workload) || !needed(workload)) continue;
      if (workload === "W4" || workload === "W5") await started.settle?.();
      for (const line of await measure(peer, module, started, workload, sizes)) {
        results.push(line);
        console.log(`#${repetition} ${peer.name} ${line.workload}${line.form ? ` ${line.form}` : ""}: ${said(line)}`);
      }
    }
  } finally {
    await started.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function said({ ok, perSecond, p50Ms, p99Ms, problem }: Measurement): string {
  const latency = p99Ms === undefined ? "" : `, p50 ${p50Ms?.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
  return `${ok ? "" : "NOT OK, "}${perSecond.toLocaleString("en")}/s${latency}${problem ? ` (${problem})` : ""}`;
}

const page = report(
  results,
  CANDIDATES.map(([peer]) => peer),
  skipped,
  sizes,
);
if (options.dry) console.log(page);
else writeFileSync(new URL("./RESULTS.md", import.meta.url), page);
