import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createEnvironment, seededRandom } from "../../src/base/index.ts";
import { FakeGate } from "../../src/feed/fake-gate.ts";
import { type BridgeServer, createBridgeServer, tickFacts, tickMapper } from "../../src/feed/index.ts";
import { QuoteSource } from "./quotes.ts";

let folder = "";
let server: BridgeServer;
const gate = new FakeGate(tickFacts);
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "millpond-simulator-"));
  await writeFile(join(folder, "token"), "good\n");
  server = createBridgeServer({
    gate,
    environment: createEnvironment(),
    feeds: [{ name: "simulated", mapper: tickMapper("ticks", tickFacts), simulated: true }],
    authenticate: (token) => (token === "good" ? { name: "feed:simulated" } : undefined),
  });
  await server.listen({ host: "127.0.0.1", port: 0 });
});
after(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

function start(...more: string[]): { child: ChildProcess; lines: string[] } {
  const main = join(import.meta.dirname, "main.ts");
  const url = `ws://127.0.0.1:${server.port}`;
  const child = spawn(process.execPath, [main, "--url", url, "--token-file", join(folder, "token"), ...more], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const lines: string[] = [];
  child.stdout!.on("data", (text) => lines.push(...String(text).trim().split("\n")));
  return { child, lines };
}

describe("the simulated terminal", () => {
  test("sends so many ticks, has each acknowledged, and says that it is simulated", async () => {
    const { child, lines } = start("--ticks", "700", "--rate", "4000", "--symbols", "EURUSD.m,USDJPY.m");
    const [code] = await once(child, "exit");
    const last = JSON.parse(lines.at(-1)!) as Record<string, unknown>;
    assert.deepEqual([code, last.simulated, last.acknowledged, last.waiting], [0, true, 700, 0]);
    assert.equal(gate.rows.length, 700);
    assert.ok(gate.rows.every(({ symbol, bid, ask }) => /^(?:EURUSD|USDJPY)\.m$/.test(String(symbol)) && bid && ask));
    assert.deepEqual(
      gate.events.map(({ event }) => event),
      ["opened", "ended"],
    );
  });

  test("ends in order when asked to, and when its parent lets go", async () => {
    for (const ask of [(child: ChildProcess) => child.kill("SIGTERM"), (child: ChildProcess) => child.disconnect()]) {
      const rows = gate.rows.length;
      const { child, lines } = start("--rate", "1000", "--terminal-id", "simulated-2");
      while (gate.rows.length === rows) await new Promise((resolve) => setTimeout(resolve, 5));
      ask(child);
      const [code] = await once(child, "exit");
      const last = JSON.parse(lines.at(-1)!) as { sent: number; acknowledged: number };
      assert.deepEqual([code, last.acknowledged, gate.rows.length - rows], [0, last.sent, last.sent]);
    }
  });
});

test("the same seed gives the same quotes, with every habit in them", () => {
  const make = () => {
    const source = new QuoteSource(seededRandom(3), ["EURUSD.m", "USDJPY.m"]);
    source.beginBatch();
    return Array.from({ length: 20_000 }, (_, index) => source.next(1_000_000 + index));
  };
  const ticks = make();
  assert.deepEqual(ticks, make());
  const count = (wanted: (tick: (typeof ticks)[number], place: number) => boolean) => ticks.filter(wanted).length;
  assert.ok(count(([, , bid]) => bid === null) > 1_000);
  assert.ok(count(([, , , ask]) => ask === null) > 1_000);
  assert.ok(count(([, time], place) => time < (ticks[place - 1]?.[1] ?? 0)) > 5);
  assert.ok(count((tick, place) => tick === ticks[place - 1]) > 5);
  assert.equal(
    count(([, , bid, ask]) => bid != null && ask != null && Number(bid) >= Number(ask)),
    0,
  );
});
