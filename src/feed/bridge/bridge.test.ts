import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, test } from "node:test";
import { WebSocket } from "ws";
import { BridgeClient, type BridgeClientOptions } from "../../../connect/simulator/bridge-client.ts";
import { createEnvironment, fail, seededRandom } from "../../base/index.ts";
import { FakeGate } from "../fake-gate.ts";
import {
  type BridgeLimits,
  bridgeFeed,
  createBridgeServer,
  type FeedEvent,
  type FeedStatus,
  tickFacts,
  tickMapper,
} from "../index.ts";

const environment = createEnvironment();
const feeds = [{ name: "mt5", mapper: tickMapper("ticks", tickFacts), simulated: true }];
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});
const quickly = { first: 5, longest: 40 };

async function bridge(gate: FakeGate, limits: Partial<BridgeLimits> = {}, port = 0) {
  const events: FeedEvent[] = [];
  const server = createBridgeServer({
    gate,
    environment,
    feeds,
    limits,
    authenticate: (token) => (token === "good" ? { name: "feed:mt5" } : undefined),
    onEvent: (event) => events.push(event),
  });
  open.push(server);
  await server.listen({ host: "127.0.0.1", port });
  return { server, events, url: `ws://127.0.0.1:${server.port}` };
}

function client(url: string, more: Partial<BridgeClientOptions> = {}): BridgeClient {
  return new BridgeClient({
    url,
    token: "good",
    terminal: { id: "t1", name: "Simulated terminal", simulated: true },
    symbols: [{ name: "EURUSD", digits: 5, point: 0.00001 }],
    serverTimeZone: "UTC",
    environment,
    serverTime: () => 1_700_000_000_000,
    backoffMs: quickly,
    ticksPerBatch: 5,
    ...more,
  });
}

const hello = (more: object = {}) => ({
  type: "hello",
  protocol: 1,
  token: "good",
  terminal: { id: "raw", name: "raw", simulated: true },
  session: "00000000-0000-4000-8000-000000000001",
  symbols: [],
  serverTimeZone: "+02:00",
  ...more,
});

/** A socket under the test's own hand: sends anything, reads message by message. */
async function raw(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, { headers });
  const messages: Record<string, unknown>[] = [];
  let wake = (): void => {};
  let closed: number | undefined;
  const closing = new Promise<number>((resolve) => {
    socket.on("close", (code) => {
      closed = code;
      wake();
      resolve(code);
    });
  });
  socket.on("error", () => {});
  socket.on("message", (data) => {
    const message = JSON.parse(String(data)) as Record<string, unknown>;
    if (message.type !== "heartbeat") messages.push(message);
    wake();
  });
  await Promise.race([once(socket, "open"), closing]);
  return {
    socket,
    closing,
    send: (message: unknown) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    async next(): Promise<Record<string, unknown>> {
      while (messages.length === 0) {
        if (closed !== undefined) throw new Error(`closed with ${closed}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return messages.shift()!;
    },
  };
}

const tick = (time: number, bid: unknown = 1.1, ask: unknown = 1.2, flags = 6) => [
  "EURUSD",
  time,
  bid,
  ask,
  null,
  null,
  flags,
];
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe("the bridge", () => {
  test("acknowledges a batch only once it is durable, with its account", async () => {
    const gate = new FakeGate(tickFacts);
    let release = (): void => {};
    gate.delay = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const { server, url } = await bridge(gate);
    const peer = await raw(url);
    peer.send(hello());
    assert.deepEqual([(await peer.next()).lastBatch, server.status()[0]?.state], [0, "live"]);
    peer.send({ type: "ticks", batch: 1, ticks: [tick(1000), ["EURUSD"], tick(2000, "1.10005", "x"), tick(3000)] });
    await until(() => gate.submissions === 1);
    assert.equal(gate.rows.length, 0);
    release();
    const ack = await peer.next();
    assert.equal(ack.type, "ack");
    assert.deepEqual((ack.account as { received: number }).received, 4);
    assert.deepEqual(
      gate.rows.map(({ time }) => time),
      [1_000_000 - 7_200_000_000, 3_000_000 - 7_200_000_000],
    );
    assert.deepEqual(
      gate.unreadable.map(({ place, raw }) => [place, raw]),
      [
        [1, '["EURUSD"]'],
        [2, '["EURUSD",2000,"1.10005","x",null,null,6]'],
      ],
    );
  });

  test("fills the side that did not change, the same way when a batch is sent again", async () => {
    const gate = new FakeGate(tickFacts);
    let failures = 1;
    gate.fault = ({ batch }) => (batch === 2 && failures-- > 0 ? fail("overloaded", { limit: 1 }) : undefined);
    const { url } = await bridge(gate);
    const peer = await raw(url);
    peer.send(hello());
    await peer.next();
    const second = { type: "ticks", batch: 2, ticks: [tick(2, 0, 1.5, 132), tick(3, 1.4, "", 130), tick(4, 0, 0, 4)] };
    peer.send({ type: "ticks", batch: 1, ticks: [tick(1, 1.3, 1.35)] });
    peer.send(second);
    assert.equal((await peer.next()).type, "ack");
    const pause = await peer.next();
    assert.deepEqual([pause.type, pause.expected, pause.code], ["pause", 2, "overloaded"]);
    peer.send(second);
    assert.equal((await peer.next()).batch, 2);
    assert.deepEqual(
      gate.rows.map(({ bid, ask }) => [bid, ask]),
      [
        [1.3, 1.35],
        [1.3, 1.5],
        [1.4, 1.5],
        [1.4, null],
      ],
    );
  });

  test("a batch ahead of its turn is answered with the expected one, a repeated one with its first account", async () => {
    const gate = new FakeGate(tickFacts);
    const { url } = await bridge(gate);
    const peer = await raw(url);
    peer.send(hello());
    await peer.next();
    peer.send({ type: "ticks", batch: 3, ticks: [tick(1)] });
    peer.send({ type: "ticks", batch: 4, ticks: [tick(1)] });
    const nack = await peer.next();
    assert.deepEqual([nack.type, nack.expected, nack.code], ["nack", 1, "batch_out_of_order"]);
    peer.send({ type: "ticks", batch: 1, ticks: [tick(1)] });
    assert.equal((await peer.next()).batch, 1);
    peer.send({ type: "ticks", batch: 1, ticks: [tick(1)] });
    const repeated = await peer.next();
    assert.deepEqual([repeated.batch, repeated.repeated, gate.rows.length], [1, true, 1]);
  });

  test("links dropped at random and a restarted server lose and repeat nothing", async () => {
    const random = seededRandom(7);
    const gate = new FakeGate(tickFacts);
    gate.delay = () => new Promise((resolve) => setTimeout(resolve, random.next() * 2));
    gate.fault = () => (random.next() < 0.03 ? fail("overloaded", { limit: 1 }) : undefined);
    let { server, url } = await bridge(gate);
    const { port } = server;
    const terminal = client(url, { bufferedTicks: 100 });
    const stop = new AbortController();
    const running = terminal.run(stop.signal);
    const total = 1_500;
    let restarts = 0;
    for (let time = 1; time <= total; ) {
      if (terminal.add(["EURUSD", time, 1.1, 1.2, null, null, 6])) time += 1;
      else await new Promise((resolve) => setTimeout(resolve, 1));
      if (random.next() < 0.004) terminal.dropLink();
      if (restarts === Math.floor(time / 500)) continue;
      restarts += 1;
      await server.close();
      ({ server, url } = await bridge(gate, {}, port));
    }
    await terminal.end();
    await running;
    assert.deepEqual(
      gate.rows.map(({ time }) => (time as number) / 1000),
      Array.from({ length: total }, (_, index) => index + 1),
    );
    assert.ok(terminal.reconnects > 2);
    assert.deepEqual(
      gate.events.map(({ event }) => event),
      ["opened", "ended"],
    );
  });

  test("a flood waits in the socket, not in memory", async () => {
    const gate = new FakeGate(tickFacts);
    gate.delay = () => new Promise((resolve) => setTimeout(resolve, 1));
    const { url } = await bridge(gate, { waitingRows: 100 });
    const peer = await raw(url);
    peer.send(hello());
    await peer.next();
    const ticks = Array.from({ length: 50 }, (_, time) => tick(time));
    for (let batch = 1; batch <= 200; batch++) peer.send({ type: "ticks", batch, ticks });
    await until(() => gate.rows.length === 10_000);
    // What one read of the socket had brought in already is still taken after the limit was met.
    assert.ok(gate.mostWaitingRows < 2_500, `${gate.mostWaitingRows} rows waited`);
  });

  test("a new connection takes the session over after the old one has settled", async () => {
    const gate = new FakeGate(tickFacts);
    let release = (): void => {};
    gate.delay = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const { url, events } = await bridge(gate);
    const first = await raw(url);
    first.send(hello());
    await first.next();
    first.send({ type: "ticks", batch: 1, ticks: [tick(1)] });
    await until(() => gate.submissions === 1);
    const second = await raw(url);
    second.send(hello());
    assert.equal((await first.next()).code, "bridge_session_replaced");
    assert.equal(await first.closing, 4409);
    release();
    assert.equal((await second.next()).lastBatch, 1);
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ["connected", "replaced", "resumed"],
    );
  });

  test("an idle session tells its watermark, a broker that is away keeps it silent", async () => {
    const gate = new FakeGate(tickFacts);
    const { server, url, events } = await bridge(gate, { idleAfterMs: 0, idleRepeatMs: Number.POSITIVE_INFINITY });
    const peer = await raw(url);
    peer.send(hello());
    await peer.next();
    peer.send({ type: "broker", connected: false });
    peer.send({ type: "heartbeat", time: 7_200_000, batch: 0 });
    await until(() => events.some(({ kind }) => kind === "broker_lost"));
    assert.deepEqual([server.status()[0]?.state, server.status()[0]?.lastError], ["stale", "feed_broker_lost"]);
    peer.send({ type: "broker", connected: true });
    for (const time of [7_201_000, 7_202_000]) peer.send({ type: "heartbeat", time, batch: 0 });
    peer.send({ type: "goodbye", time: 7_203_000, batch: 0 });
    assert.equal((await peer.next()).type, "goodbye");
    assert.equal(await peer.closing, 1000);
    assert.deepEqual(
      gate.events.map(({ event, watermark }) => [event, watermark]),
      [
        ["opened", undefined],
        ["idle", 1_000_000],
        ["ended", 3_000_000],
      ],
    );
  });

  test("a batch that fails by a bug again and again is kept as unreadable rows", async () => {
    const gate = new FakeGate(tickFacts);
    gate.fault = ({ incoming }) =>
      incoming.kind === "columns" && incoming.batch.count > 0 ? new Error("a bug") : undefined;
    const { url } = await bridge(gate);
    const peer = await raw(url);
    peer.send(hello());
    await peer.next();
    for (let time = 0; time < 3; time++) {
      peer.send({ type: "ticks", batch: 1, ticks: [tick(1), tick(2)] });
      assert.deepEqual((await peer.next()).code, "internal");
    }
    peer.send({ type: "ticks", batch: 1, ticks: [tick(1), tick(2)] });
    assert.equal((await peer.next()).type, "ack");
    assert.equal(gate.unreadable.length, 2);
  });

  const refusals: [string, unknown, number, string][] = [
    ["a wrong token", hello({ token: "bad" }), 4401, "bridge_unauthorized"],
    ["an unknown feed", hello({ feed: "other" }), 4404, "feed_unknown"],
    ["another protocol", hello({ protocol: 2 }), 4400, "bridge_protocol_unknown"],
    ["an unknown zone", hello({ serverTimeZone: "Mars/Base" }), 4400, "time_zone_unknown"],
    [
      "a real terminal",
      hello({ terminal: { id: "a", name: "a", simulated: false } }),
      4403,
      "bridge_simulated_mismatch",
    ],
    ["garbage", "{", 4400, "bridge_message_malformed"],
    ["an array", "[1]", 4400, "bridge_message_malformed"],
    ["a missing field", hello({ session: "x" }), 4400, "bridge_message_malformed"],
    ["ticks before hello", { type: "ticks", batch: 1, ticks: [[]] }, 4400, "bridge_message_unexpected"],
    ["a hello that is too large", hello({ more: "x".repeat(20_000) }), 4400, "bridge_message_malformed"],
  ];
  test("says why it refuses a hello, and closes", async () => {
    const gate = new FakeGate(tickFacts);
    const { url } = await bridge(gate);
    for (const [what, message, close, code] of refusals) {
      const peer = await raw(url);
      peer.send(message);
      assert.equal((await peer.next()).code, code, what);
      assert.equal(await peer.closing, close, what);
    }
    const page = await raw(url, { origin: "https://example.com" });
    assert.equal(await page.closing, 1006);
    assert.equal(gate.submissions, 0);
  });

  test("lets go of a refused peer that keeps its half of the connection open", async () => {
    const { url } = await bridge(new FakeGate(tickFacts));
    const { port, host } = new URL(url);
    const peer = connect({ port: Number(port), host: "127.0.0.1", allowHalfOpen: true });
    const gone = new Promise<void>((resolve) => peer.once("error", () => resolve()));
    peer.resume();
    peer.write(
      `GET / HTTP/1.1\r\nHost: ${host}\r\nOrigin: https://example.com\r\nUpgrade: websocket\r\n` +
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    await once(peer, "end");
    // Whoever has let go answers what still comes with a reset.
    const poke = setInterval(() => peer.write("x"), 5);
    await gone.finally(() => clearInterval(poke));
    peer.destroy();
  });

  test("cuts off late hellos, silence, binary frames and messages that are too large", async () => {
    const gate = new FakeGate(tickFacts);
    const impatient = await bridge(gate, { helloMs: 30 });
    const late = await raw(impatient.url);
    assert.equal((await late.next()).code, "bridge_hello_late");
    assert.equal(await late.closing, 4408);
    const listening = await bridge(gate, { heartbeatMs: 10, silentMs: 60 });
    const silent = await raw(listening.url);
    silent.send(hello());
    await silent.next();
    assert.equal((await silent.next()).code, "bridge_silent");
    assert.ok(listening.events.some(({ kind }) => kind === "stale"));
    const { server, url } = await bridge(gate, { messageBytes: 4_096, ticksPerBatch: 3 });
    const cases: [unknown, number][] = [
      [Buffer.from([1, 2]), 1003],
      ["x".repeat(5_000), 1009],
      [JSON.stringify({ type: "ticks", batch: 1, ticks: [tick(1), tick(1), tick(1), tick(1)] }), 4400],
      [JSON.stringify({ type: "ticks", batch: 0, ticks: [tick(1)] }), 4400],
      [JSON.stringify({ type: "nothing" }), 4400],
      [JSON.stringify(hello()), 4400],
    ];
    for (const [message, close] of cases) {
      const peer = await raw(url);
      peer.send(hello());
      await peer.next();
      peer.socket.send(message as string);
      assert.equal(await peer.closing, close);
    }
    assert.equal(server.status()[0]?.state, "disconnected");
  });

  test("rows nested without end are refused by place and harm nothing", async () => {
    const gate = new FakeGate(tickFacts);
    const { url } = await bridge(gate);
    const peer = await raw(url);
    peer.send(hello());
    await peer.next();
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    peer.send(`{"type":"ticks","batch":1,"ticks":[${deep},${JSON.stringify(tick(1))}]}`);
    assert.equal((await peer.next()).batch, 1);
    assert.deepEqual([gate.rows.length, gate.unreadable[0]?.place], [1, 0]);
  });

  test("a session whose terminal stays away, or comes with another one, is recorded as ended", async () => {
    const ids = ["1", "2"].map((digit) => `00000000-0000-4000-8000-00000000000${digit}`);
    for (const limits of [{ abandonAfterMs: 20 }, {}]) {
      const gate = new FakeGate(tickFacts);
      const { url } = await bridge(gate, limits);
      const ended = () => gate.events.filter(({ event }) => event === "ended").map(({ session }) => session);
      const first = await raw(url);
      first.send(hello({ session: ids[0] }));
      await first.next();
      first.socket.close();
      await first.closing;
      if (!limits.abandonAfterMs) {
        const second = await raw(url);
        second.send(hello({ session: ids[1] }));
        await second.next();
      }
      await until(() => ended().length > 0);
      assert.deepEqual(ended(), [ids[0]]);
    }
  });

  test("a terminal that does not go back when told is cut off", async () => {
    const gate = new FakeGate(tickFacts);
    const { url } = await bridge(gate, { batchesInFlight: 2 });
    const peer = await raw(url);
    peer.send(hello());
    await peer.next();
    for (let batch = 2; batch <= 7; batch++) peer.send({ type: "ticks", batch, ticks: [tick(1)] });
    assert.deepEqual([(await peer.next()).type, (await peer.next()).code], ["nack", "batch_out_of_order"]);
    assert.deepEqual([await peer.closing, gate.submissions], [4400, 0]);
  });

  test("an ack that was lost with the link is made up for by the next welcome", async () => {
    const gate = new FakeGate(tickFacts);
    const release = Promise.withResolvers<void>();
    gate.delay = () => release.promise;
    const { url } = await bridge(gate);
    const terminal = client(url);
    const stop = new AbortController();
    const running = terminal.run(stop.signal);
    for (let time = 1; time <= 5; time++) terminal.add(["EURUSD", time, 1, 2]);
    await until(() => gate.submissions === 1);
    terminal.dropLink();
    release.resolve();
    await until(() => terminal.acknowledgedTicks === 5);
    assert.deepEqual([gate.submissions, gate.rows.length], [1, 5]);
    stop.abort();
    await running;
  });

  test("after a server was set back, the terminal brings what it holds under a new session", async () => {
    const before = new FakeGate(tickFacts);
    const { server, url } = await bridge(before);
    const { port } = server;
    const terminal = client(url);
    const stop = new AbortController();
    const running = terminal.run(stop.signal);
    const { session } = terminal;
    for (let time = 1; time <= 10; time++) terminal.add(["EURUSD", time, 1, 2]);
    await until(() => terminal.acknowledgedTicks === 10);
    await server.close();
    for (let time = 11; time <= 20; time++) terminal.add(["EURUSD", time, 1, 2]);
    const after = new FakeGate(tickFacts);
    await bridge(after, {}, port);
    await terminal.end();
    await running;
    assert.notEqual(terminal.session, session);
    assert.deepEqual(
      after.rows.map(({ time }) => time),
      Array.from({ length: 10 }, (_, index) => (index + 11) * 1_000),
    );
  });

  test("runs as a feed: reports its status, closes with the signal, names a port that is taken", async () => {
    const gate = new FakeGate(tickFacts);
    const reports: FeedStatus[] = [];
    const stop = new AbortController();
    const address = Promise.withResolvers<{ host: string; port: number }>();
    const make = (port: number) =>
      bridgeFeed({ host: "127.0.0.1", port, feeds, authenticate: () => undefined, onListening: address.resolve });
    const context = { gate, environment, report: (status: FeedStatus) => reports.push(status), event: () => {} };
    const running = make(0).run({ ...context, signal: stop.signal });
    const { port } = await address.promise;
    const taken = make(port).run({ ...context, signal: new AbortController().signal });
    await assert.rejects(taken, { code: "bridge_address_unavailable" });
    stop.abort();
    await running;
    assert.deepEqual([reports[0]?.state, reports.at(-1)?.state], ["connecting", "stopped"]);
  });
});
