/** A child process that plays one role of one workload against one candidate and reports what it saw. */
import { Histogram } from "../src/base/index.ts";
import type { Roles } from "./peer.ts";
import { indexOfTime, SYMBOLS, type Tick, tickAt, ticksFrom } from "./tick.ts";

interface Task {
  readonly module: string;
  readonly role: "producer" | "subscriber" | "reader" | "ohlc";
  readonly connection: unknown;
  readonly rows: number;
  readonly batch: number;
  readonly window: number;
  readonly maxSeconds: number;
  /** Ticks a second, for the open loops. */
  readonly rate?: number;
  readonly connections: number;
  readonly epochUs: number;
}

const task = JSON.parse(process.argv[2]!) as Task;
const roles = (await import(task.module)) as Roles;
const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);
const say = (message: object): void => void process.send!(message);
const inbox = new Map<string, { value: unknown } | ((value: unknown) => void)>();
process.on("message", (message: { type: string; value?: unknown }) => {
  const waiting = inbox.get(message.type);
  if (typeof waiting === "function") waiting(message.value);
  inbox.set(message.type, { value: message.value });
});
process.on("disconnect", () => process.exit(0));
const heard = (type: string): Promise<unknown> => {
  const known = inbox.get(type);
  if (known && typeof known !== "function") return Promise.resolve(known.value);
  return new Promise((resolve) => inbox.set(type, resolve));
};
const summary = (latencies: Histogram) => ({
  p50: latencies.percentileMs(0.5),
  p99: latencies.percentileMs(0.99),
  p999: latencies.percentileMs(0.999),
});

async function produce(): Promise<void> {
  const producer = await roles.producer(task.connection);
  say({ type: "ready" });
  await heard("go");
  const acknowledged = new Histogram();
  let errors = 0;
  let firstError = "";
  const timed = (ticks: readonly Tick[], atUs: number): Promise<void> =>
    producer.send(ticks).then(
      () => acknowledged.record((nowUs() - atUs) / 1000),
      (error: unknown) => {
        errors += 1;
        firstError ||= String(error);
      },
    );
  const startUs = nowUs();
  const sent = task.rate === undefined ? await closedLoop(timed, startUs) : await openLoop(timed, task.rate);
  say({ type: "done", sent, startUs, endUs: nowUs(), errors, firstError, ...summary(acknowledged) });
  await heard("stop");
  await producer.close();
}

async function closedLoop(
  timed: (ticks: readonly Tick[], atUs: number) => Promise<void>,
  startUs: number,
): Promise<number> {
  const inFlight: Promise<void>[] = [];
  let sent = 0;
  while (sent < task.rows && nowUs() - startUs < task.maxSeconds * 1e6) {
    const count = Math.min(task.batch, task.rows - sent);
    const atUs = nowUs();
    inFlight.push(timed(ticksFrom(sent, count), atUs));
    sent += count;
    if (inFlight.length >= task.window) await inFlight.shift();
  }
  await Promise.all(inFlight);
  return sent;
}

/** Each tick by itself, on schedule, never waiting for an acknowledgement. */
function openLoop(timed: (ticks: readonly Tick[], atUs: number) => Promise<void>, rate: number): Promise<number> {
  const startUs = nowUs();
  const pending = new Set<Promise<void>>();
  let sent = 0;
  return new Promise((resolve) => {
    const step = (): void => {
      while (sent < task.rows && startUs + (sent * 1e6) / rate <= nowUs()) {
        const atUs = nowUs();
        const one = timed([tickAt(sent, atUs - task.epochUs)], atUs).finally(() => pending.delete(one));
        pending.add(one);
        sent += 1;
      }
      if (sent < task.rows) setTimeout(step, 1);
      else void Promise.all(pending).then(() => resolve(sent));
    };
    step();
  });
}

async function subscribe(): Promise<void> {
  const latencies = new Histogram();
  const wanted = new Int32Array(task.connections);
  let received = 0;
  let disorder = 0;
  let lastUs = 0;
  let expected = Number.POSITIVE_INFINITY;
  const check = (): void => {
    if (received >= expected) say({ type: "all", lastUs });
  };
  const subscription = await roles.subscribe(task.connection, task.connections, (which, ticks) => {
    lastUs = nowUs();
    for (const tick of ticks) {
      const index = indexOfTime(tick.time_ms);
      if (index !== wanted[which]) disorder += 1;
      wanted[which] = index + 1;
      if (task.epochUs > 0) latencies.record((lastUs - task.epochUs - tick.volume) / 1000);
    }
    received += ticks.length;
    check();
  });
  say({ type: "ready" });
  expected = (await heard("expect")) as number;
  check();
  await heard("report");
  say({ type: "report", received, disorder, lastUs, ...summary(latencies) });
  await heard("stop");
  await subscription.close();
}

async function read(): Promise<void> {
  const reader = await roles.reader!(task.connection);
  for (let index = 0; index < 200; index++) await reader.latest(SYMBOLS[index % SYMBOLS.length]!);
  say({ type: "ready" });
  await heard("go");
  const latencies = new Histogram();
  const startUs = nowUs();
  let next = 0;
  let wrong = 0;
  const loop = async (): Promise<void> => {
    while (next < task.batch && nowUs() - startUs < task.maxSeconds * 1e6) {
      const which = (next++ * 17) % SYMBOLS.length;
      const atUs = nowUs();
      const tick = await reader.latest(SYMBOLS[which]!);
      latencies.record((nowUs() - atUs) / 1000);
      if (!tick || indexOfTime(tick.time_ms) !== task.rows - SYMBOLS.length + which) wrong += 1;
    }
  };
  await Promise.all(Array.from({ length: task.window }, loop));
  say({ type: "done", reads: latencies.count, wrong, startUs, endUs: nowUs(), ...summary(latencies) });
  await heard("stop");
  await reader.close();
}

async function aggregate(): Promise<void> {
  say({ type: "ready" });
  await heard("go");
  const startUs = nowUs();
  const sums = await roles.ohlc!(task.connection);
  say({ type: "done", sums, startUs, endUs: nowUs() });
  await heard("stop");
}

try {
  await { producer: produce, subscriber: subscribe, reader: read, ohlc: aggregate }[task.role]();
} catch (error) {
  say({ type: "error", error: String((error as Error).stack ?? error) });
}
process.disconnect?.();
