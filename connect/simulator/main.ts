/**
 * The simulated terminal: a process of its own that speaks the bridge protocol as a real terminal does, with made-up
 * quotes. It says that it is simulated in its hello, in its name and in each line it prints.
 *
 *     node connect/simulator/main.ts --url ws://127.0.0.1:8001 --token-file .millpond/feed-token --feed simulated
 */
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createEnvironment, seededRandom } from "../../src/base/index.ts";
import { createZone } from "../../src/feed/index.ts";
import { BridgeClient } from "./bridge-client.ts";
import { defaultSymbols, QuoteSource } from "./quotes.ts";

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "ws://127.0.0.1:8001" },
    "token-file": { type: "string" },
    feed: { type: "string" },
    seed: { type: "string", default: "1" },
    rate: { type: "string", default: "20" },
    symbols: { type: "string", default: defaultSymbols.map((name) => `${name}.m`).join(",") },
    zone: { type: "string", default: "America/New_York+07:00" },
    "batch-ms": { type: "string", default: "50" },
    "terminal-id": { type: "string", default: "simulated-1" },
    /** Ends by itself after so many ticks, with an orderly goodbye. */
    ticks: { type: "string" },
    /** Prints a status line each second. */
    status: { type: "boolean", default: false },
  },
});

const environment = createEnvironment();
const zone = createZone(values.zone);
const serverTimeMs = (): number => Math.floor(zone.toLocal(environment.clock.now()) / 1000);
const quotes = new QuoteSource(seededRandom(Number(values.seed)), values.symbols.split(",").filter(Boolean));
const token = values["token-file"] ? (await readFile(values["token-file"], "utf8")).trim() : process.env.MILLPOND_TOKEN;
if (!token) {
  process.stderr.write("give --token-file or set MILLPOND_TOKEN\n");
  process.exit(2);
}
const rate = Number(values.rate);
const total = values.ticks === undefined ? Number.POSITIVE_INFINITY : Number(values.ticks);

let sent = 0;
let heldBack = 0;
let state = "dialling";
let reason: string | undefined;
const refused: Record<string, number> = {};
const client = new BridgeClient({
  url: values.url,
  token,
  ...(values.feed === undefined ? {} : { feed: values.feed }),
  terminal: { id: values["terminal-id"], name: "Simulated terminal", simulated: true },
  symbols: quotes.symbols,
  serverTimeZone: values.zone,
  environment,
  serverTime: serverTimeMs,
  onAck: ({ rejections }) => {
    for (const [code, count] of Object.entries(rejections?.codes ?? {})) refused[code] = (refused[code] ?? 0) + count;
  },
  onState: (next, why) => {
    state = next;
    reason = why || undefined;
  },
});

const stop = new AbortController();
let stopping = false;
/** The first asks for an orderly end, which may take a moment; the second does not wait. */
function requestStop(): void {
  if (stopping) stop.abort();
  stopping = true;
}
process.on("SIGTERM", requestStop);
process.on("SIGINT", requestStop);
// A child must not outlive the process that started it.
process.on("disconnect", requestStop);

function print(): void {
  const line = { simulated: true, state, reason, sent, heldBack, waiting: client.unacknowledged, refused };
  process.stdout.write(`${JSON.stringify({ ...line, acknowledged: client.acknowledgedTicks })}\n`);
}

async function produce(): Promise<void> {
  let owed = 0;
  let printedMs = environment.clock.monotonicMs();
  let lastMs = printedMs;
  while (!stopping && sent < total) {
    await wait(Number(values["batch-ms"]));
    const nowMs = environment.clock.monotonicMs();
    const hour = Math.floor(environment.clock.now() / 3.6e9) % 24;
    // A machine that slept must not make up for hours in one burst.
    owed += (Math.min(nowMs - lastMs, 1_000) / 1000) * rate * quotes.activity(hour);
    lastMs = nowMs;
    quotes.beginBatch();
    for (let inBatch = 0; owed >= 1 && sent < total; owed -= 1, inBatch++) {
      if (client.full) {
        heldBack += Math.floor(owed);
        owed = 0;
        break;
      }
      if (inBatch % 200 === 0) quotes.beginBatch();
      client.add(quotes.next(serverTimeMs()));
      sent += 1;
    }
    client.flush();
    if (values.status && nowMs - printedMs >= 1_000) {
      printedMs = nowMs;
      print();
    }
  }
}

const running = client.run(stop.signal);
running.catch(() => stop.abort());
await Promise.race([produce(), running.catch(() => {})]);
const expired = new AbortController();
await Promise.race([
  client.end(),
  running.catch(() => {}),
  wait(3_000, undefined, { signal: expired.signal }).catch(() => {}),
]);
expired.abort();
stop.abort();
try {
  await running;
} catch (error) {
  reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${reason}\n`);
  process.exitCode = 1;
}
state = "ended";
print();
if (process.connected) process.disconnect?.();
