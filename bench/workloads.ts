/** The six workloads: which roles run, in what order, and what is measured. One JSON-able line each. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Peer, Started, Workload } from "./peer.ts";
import { type BarSums, expectedSums, sameSums } from "./tick.ts";

export interface Measurement {
  readonly peer: string;
  readonly workload: Workload;
  /** `x1`, `x16` where a workload runs in several forms. */
  readonly form: string;
  readonly ok: boolean;
  readonly perSecond: number;
  readonly seconds: number;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  readonly problem?: string;
}

export interface Sizes {
  readonly rows: number;
  readonly openSeconds: number;
}

interface Report {
  sent: number;
  reads: number;
  wrong: number;
  received: number;
  disorder: number;
  errors: number;
  firstError: string;
  startUs: number;
  endUs: number;
  lastUs: number;
  sums: BarSums;
  p50?: number;
  p99?: number;
}

const ROLE = fileURLToPath(new URL("./role.ts", import.meta.url));
const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

/** One role process. */
class Player {
  readonly #child;
  readonly #heard: { type: string }[] = [];
  #wake: () => void = () => {};

  constructor(task: object, workload: Workload) {
    const env = { ...process.env, BENCH_WORKLOAD: workload };
    this.#child = fork(ROLE, [JSON.stringify(task)], { execArgv: ["--no-warnings"], env });
    this.#child.on("message", (message) => {
      this.#heard.push(message as { type: string });
      this.#wake();
    });
    this.#child.on("exit", () => {
      this.#heard.push({ type: "exit" });
      this.#wake();
    });
  }
  say(type: string, value?: unknown): void {
    if (this.#child.connected) this.#child.send({ type, value });
  }
  async hear(type: string, withinMs = 180_000): Promise<Report> {
    const untilUs = nowUs() + withinMs * 1000;
    for (;;) {
      const found = this.#heard.find((message) => message.type === type);
      if (found) return found as unknown as Report;
      const failed = this.#heard.find((message) => message.type === "error" || message.type === "exit");
      if (failed) throw new Error((failed as { error?: string }).error ?? "a role ended early");
      if (nowUs() > untilUs) throw new Error(`no '${type}' within ${withinMs} ms`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 200);
      });
    }
  }
  async end(): Promise<void> {
    this.say("stop");
    const untilUs = nowUs() + 5e6;
    while (this.#child.exitCode === null && nowUs() < untilUs) await new Promise((resolve) => setTimeout(resolve, 20));
    if (this.#child.exitCode === null) this.#child.kill("SIGKILL");
  }
}

export async function measure(
  peer: Peer,
  module: string,
  started: Started,
  workload: Workload,
  sizes: Sizes,
): Promise<Measurement[]> {
  const players: Player[] = [];
  const { connection } = started;
  const play = (role: string, extra: object): Player => {
    const base = {
      module,
      role,
      connection,
      rows: sizes.rows,
      batch: 1_000,
      window: 2,
      maxSeconds: 60,
      connections: 1,
      epochUs: 0,
    };
    const player = new Player({ ...base, ...extra }, workload);
    players.push(player);
    return player;
  };
  const reset = (): Promise<void> => started.reset();
  try {
    switch (workload) {
      case "W1":
        await reset();
        return [await ingest(peer, play)];
      case "W2":
      case "W3":
        await reset();
        return [await open(peer, play, workload, sizes)];
      case "W4":
        return [await reads(peer, play, 1), await reads(peer, play, 16)];
      case "W5":
        return [await bars(peer, play, sizes)];
      case "W6":
        return [await commits(peer, play, 1, reset), await commits(peer, play, 16, reset)];
    }
  } catch (error) {
    const problem = String((error as Error).message ?? error);
    return [{ peer: peer.name, workload, form: "", ok: false, perSecond: 0, seconds: 0, problem }];
  } finally {
    await Promise.all(players.map((player) => player.end()));
  }
}

type Play = (role: string, extra: object) => Player;

async function ingest(peer: Peer, play: Play): Promise<Measurement> {
  const subscriber = peer.pushes ? play("subscriber", {}) : undefined;
  await subscriber?.hear("ready");
  const producer = play("producer", {});
  await producer.hear("ready");
  producer.say("go");
  const done = await producer.hear("done");
  let seen: Report | undefined;
  if (subscriber) {
    subscriber.say("expect", done.sent);
    await subscriber.hear("all", 60_000);
    subscriber.say("report");
    seen = await subscriber.hear("report");
  }
  const seconds = (Math.max(seen?.lastUs ?? 0, done.endUs) - done.startUs) / 1e6;
  const ok = done.errors === 0 && (!seen || (seen.received === done.sent && seen.disorder === 0));
  return { ...line(peer, "W1", "", ok, done.sent / seconds, seconds, done), ...problemOf(done) };
}

async function open(peer: Peer, play: Play, workload: "W2" | "W3", sizes: Sizes): Promise<Measurement> {
  const [rate, processes, connections] = workload === "W2" ? [2_000, 1, 1] : [500, 2, 50];
  const epochUs = nowUs();
  const subscribers = Array.from({ length: processes }, () => play("subscriber", { connections, epochUs }));
  for (const subscriber of subscribers) await subscriber.hear("ready");
  const producer = play("producer", { rate, rows: rate * sizes.openSeconds, epochUs });
  await producer.hear("ready");
  producer.say("go");
  const done = await producer.hear("done");
  const seen: Report[] = [];
  for (const subscriber of subscribers) {
    subscriber.say("expect", done.sent * connections);
    await subscriber.hear("all", 30_000);
    subscriber.say("report");
    seen.push(await subscriber.hear("report"));
  }
  const received = seen.reduce((sum, report) => sum + report.received, 0);
  const ok =
    done.errors === 0 &&
    received === done.sent * processes * connections &&
    seen.every(({ disorder }) => disorder === 0);
  const seconds = (Math.max(...seen.map(({ lastUs }) => lastUs)) - done.startUs) / 1e6;
  const worst = seen.reduce((one, two) => ((one.p99 ?? 0) > (two.p99 ?? 0) ? one : two));
  return { ...line(peer, workload, "", ok, received / seconds, seconds, worst), ...problemOf(done) };
}

async function reads(peer: Peer, play: Play, inFlight: number): Promise<Measurement> {
  const reader = play("reader", { batch: 50_000, window: inFlight, maxSeconds: 5 });
  await reader.hear("ready");
  reader.say("go");
  const done = await reader.hear("done");
  const seconds = (done.endUs - done.startUs) / 1e6;
  return line(peer, "W4", `x${inFlight}`, done.wrong === 0, done.reads / seconds, seconds, done);
}

async function bars(peer: Peer, play: Play, sizes: Sizes): Promise<Measurement> {
  const player = play("ohlc", {});
  await player.hear("ready");
  player.say("go");
  const done = await player.hear("done");
  const seconds = (done.endUs - done.startUs) / 1e6;
  return line(peer, "W5", "", sameSums(done.sums, expectedSums(sizes.rows)), sizes.rows / seconds, seconds, {});
}

async function commits(peer: Peer, play: Play, clients: number, reset: () => Promise<void>): Promise<Measurement> {
  await reset();
  const producer = play("producer", { rows: 20_000 * Math.min(clients, 8), batch: 1, window: clients, maxSeconds: 5 });
  await producer.hear("ready");
  producer.say("go");
  const done = await producer.hear("done");
  const seconds = (done.endUs - done.startUs) / 1e6;
  return {
    ...line(peer, "W6", `x${clients}`, done.errors === 0, done.sent / seconds, seconds, done),
    ...problemOf(done),
  };
}

const problemOf = ({ errors, firstError }: Report) =>
  errors > 0 ? { problem: `${errors} errors: ${firstError}` } : {};

function line(
  peer: Peer,
  workload: Workload,
  form: string,
  ok: boolean,
  perSecond: number,
  seconds: number,
  { p50, p99 }: { p50?: number; p99?: number },
): Measurement {
  return { peer: peer.name, workload, form, ok, perSecond: Math.round(perSecond), seconds, p50Ms: p50, p99Ms: p99 };
}
