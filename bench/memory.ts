/**
 * Memory of the server at a steady 50,000 ticks a second with one subscriber, minute by minute.
 * Usage: node bench/memory.ts [minutes] [ticks a second]
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { producer, startMillpond, subscribe } from "./peers/millpond.ts";
import { ticksFrom } from "./tick.ts";

const [minutes, rate] = [Number(process.argv[2] ?? 10), Number(process.argv[3] ?? 50_000)];
const base = mkdtempSync(path.join(tmpdir(), "millpond-memory-"));
const server = await startMillpond(base);
const residentMiB = (): number => {
  const [, pages] = readFileSync(`/proc/${server.pid}/statm`, "utf8").split(" ");
  return (Number(pages) * 4096) / 2 ** 20;
};
const source = await producer(server.connection);
let received = 0;
const subscription = await subscribe(server.connection, 1, (_, ticks) => {
  received += ticks.length;
});

const STEP_MS = 20;
const startMs = performance.now();
let sent = 0;
let failed = 0;
let highest = 0;
const perMinute: number[] = [];
while (performance.now() - startMs < minutes * 60_000) {
  const due = Math.floor(((performance.now() - startMs) / 1000) * rate) - sent;
  if (due > 0) {
    source.send(ticksFrom(sent, due)).catch(() => {
      failed += 1;
    });
    sent += due;
  }
  highest = Math.max(highest, residentMiB());
  if ((performance.now() - startMs) / 60_000 >= perMinute.length + 1) {
    perMinute.push(highest);
    console.log(
      `minute ${perMinute.length}: at most ${highest.toFixed(0)} MiB, ${sent.toLocaleString("en")} sent, ${received.toLocaleString("en")} received, ${failed} failed`,
    );
    highest = 0;
  }
  await new Promise((resolve) => setTimeout(resolve, STEP_MS));
}
const [first, last] = [perMinute[0] ?? 0, perMinute.at(-1) ?? 0];
console.log(
  `minute 1 to ${perMinute.length}: ${first.toFixed(0)} → ${last.toFixed(0)} MiB (${(((last - first) / first) * 100).toFixed(0)} %)`,
);
await subscription.close();
await source.close();
await server.stop();
rmSync(base, { recursive: true, force: true });
