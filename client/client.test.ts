import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { fail, type Random } from "../src/base/index.ts";
import { float, instant, optional, series, text } from "../src/contract/index.ts";
import type { Server } from "../src/serve/index.ts";
import { FakeDoor, startServer } from "./door.test-helper.ts";
import { type Client, type ClientOptions, connect, openNodeSocket } from "./node.ts";
import type { OpenSocket, SocketEvents } from "./socket.ts";
import { changeOf, seeded, tick } from "./source.test-helper.ts";
import type { StreamEvent } from "./types.ts";

const typedTicks = series("ticks", {
  fields: { symbol: text(), time: instant(), bid: float(), venue: optional(text()) },
  key: ["symbol"],
  time: "time",
});

const RUNS = Number(process.env.MILLPOND_RUNS ?? 100);

let door: FakeDoor;
let server: Server;

before(async () => {
  door = new FakeDoor();
  server = await startServer(door, { subscriptions: { catchUpCommits: 3, progressMs: 20 } });
});
after(() => server.close());

const open = (options: Partial<ClientOptions> = {}): Promise<Client> =>
  connect({ url: server.url, token: "token-all", backoffMs: { first: 1, last: 4 }, ...options });

async function until(done: () => boolean, what: string): Promise<void> {
  for (let index = 0; index < 2_000; index++) {
    if (done()) return;
    await sleep(2);
  }
  assert.fail(`timed out: ${what}`);
}

/** Sockets that break at random, in the middle of whatever they carry. */
function brittle(random: Random, meanMessages: number): OpenSocket & { calm: boolean } {
  const openSocket = ((url, protocol, events) => {
    let left = Math.floor(random.next() * meanMessages * 2);
    const breaks = (): boolean => {
      left -= 1;
      if (left > 0 || wrapped.calm) return false;
      socket.close();
      return true;
    };
    const guarded: SocketEvents = {
      ...events,
      text: (text) => breaks() || events.text(text),
      bytes: (bytes) => breaks() || events.bytes(bytes),
    };
    const socket = openNodeSocket(url, protocol, guarded);
    return {
      sendText: (text) => breaks() || socket.sendText(text),
      sendBytes: (bytes) => breaks() || socket.sendBytes(bytes),
      close: () => socket.close(),
    };
  }) as OpenSocket;
  const wrapped = Object.assign(openSocket, { calm: false });
  return wrapped;
}

const bidsOf = (event: StreamEvent<{ bid: unknown }>): unknown[] =>
  event.kind === "rows" ? event.rows.map(({ bid }) => bid) : [];

for (const encoding of ["columns", "json"] as const) {
  describe(`client in ${encoding}`, () => {
    it("appends, reads and streams", async () => {
      const client = await open({ encoding });
      const ticks = client.dataset(typedTicks);
      const stream = ticks.subscribe({ where: "bid > 1000", fields: ["bid", "time"] });
      await stream.started;
      const appended = await ticks.append([tick(1001), tick(1002), tick(3)]);
      assert.deepEqual([appended.account.accepted, appended.repeated, appended.rejections], [3, false, []]);
      const iterator = stream[Symbol.asyncIterator]();
      const { value } = await iterator.next();
      assert.ok(value?.kind === "rows");
      assert.deepEqual(value.rows, [
        { bid: 1001, time: tick(1001).time },
        { bid: 1002, time: tick(1002).time },
      ]);
      assert.equal(stream.cursor, appended.position);
      const [latest, none] = await Promise.all([ticks.latest("S3"), ticks.latest("none")]);
      assert.deepEqual(latest?.row, tick(3));
      assert.equal(none, undefined);
      const { rows } = await ticks.query({ where: "bid > 0" });
      assert.ok(rows.length >= 3);
      stream.close();
      assert.equal((await iterator.next()).done, true);
      client.close();
    });

    it("says of each row what became of it, also of one that does not fit the columns", async () => {
      const client = await open({ encoding });
      const rows = [tick(1), { ...tick(2), bid: "not a number" }, { ...tick(3), bid: Number.NaN }];
      const { account, rejections } = await client.dataset("ticks").append(rows);
      assert.deepEqual([account.received, account.accepted, account.refused], [3, 1, 2]);
      assert.deepEqual(
        rejections.map(({ place, field }) => [place, field]),
        [
          [1, "bid"],
          [2, "bid"],
        ],
      );
      client.close();
    });

    it("stores each append once and streams each row once, in order, through random disconnects", async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(), async (seed) => {
          const random = seeded(seed);
          const openSocket = brittle(random, 12);
          const from = door.head();
          const stored = door.bids().length;
          const seen: unknown[] = [];
          const client = await connectThrough(openSocket, encoding);
          const ticks = client.dataset("ticks");
          const stream = ticks.subscribe({ from }, { onEvent: (event) => void seen.push(...bidsOf(event as never)) });
          let failed = 0;
          door.judge = () => {
            if (random.next() < 0.05 && !openSocket.calm) throw fail("overloaded", { limit: 1 });
          };
          const appends: Promise<unknown>[] = [];
          const sent: number[] = [];
          for (let batch = 0; batch < 20; batch++) {
            const rows = Array.from({ length: 1 + Math.floor(random.next() * 3) }, (_, place) =>
              tick(batch * 10 + place),
            );
            sent.push(...rows.map(({ bid }) => bid));
            appends.push(ticks.append(rows).catch(() => (failed += 1)));
            if (random.next() < 0.4) await sleep(0);
          }
          setTimeout(() => (openSocket.calm = true), 30);
          await Promise.all(appends);
          door.judge = () => {};
          assert.equal(failed, 0);
          assert.deepEqual(door.bids().slice(stored), sent);
          await until(() => seen.length >= sent.length, "all rows seen");
          assert.deepEqual(seen, sent);
          assert.equal(stream.holes, 0);
          client.close();
        }),
        { numRuns: RUNS },
      );
    });
  });
}

async function connectThrough(openSocket: OpenSocket, encoding: "columns" | "json"): Promise<Client> {
  for (;;) {
    try {
      return await open({ openSocket, encoding });
    } catch {
      await sleep(1);
    }
  }
}

describe("client", () => {
  it("refuses a batch for good without losing its place for those behind it", async () => {
    const client = await open();
    const ticks = client.dataset("ticks");
    await ticks.layout();
    const before = door.bids().length;
    door.judge = ({ incoming }) => {
      if (incoming.kind === "columns" && incoming.batch.count === 2)
        throw fail("batch_too_large", { rows: 2, limit: 1 });
    };
    const results = await Promise.allSettled([
      ticks.append([tick(1)]),
      ticks.append([tick(2), tick(3)]),
      ticks.append([tick(4)]),
      ticks.append([tick(5)]),
    ]);
    door.judge = () => {};
    assert.deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled", "fulfilled"],
    );
    assert.deepEqual(door.bids().slice(before), [1, 4, 5]);
    client.close();
  });

  it("notices a hole, hands on nothing of it, and goes on from its cursor", async () => {
    let drop = false;
    const lossy: OpenSocket = (url, protocol, events) =>
      openNodeSocket(url, protocol, {
        ...events,
        bytes: (bytes) => {
          if (drop) drop = false;
          else events.bytes(bytes);
        },
      });
    const client = await open({ openSocket: lossy });
    const seen: unknown[] = [];
    const stream = client
      .dataset("ticks")
      .subscribe({}, { onEvent: (event) => void seen.push(...bidsOf(event as never)) });
    await stream.started;
    door.append([tick(1)]);
    await until(() => seen.length === 1, "the first row");
    drop = true;
    door.append([tick(2)]);
    await until(() => !drop, "the loss");
    door.append([tick(3)]);
    await until(() => seen.length === 3, "all rows");
    assert.deepEqual(seen, [1, 2, 3]);
    assert.equal(stream.holes, 1);
    client.close();
  });

  it("ends a stream with stream_hole where asking again does not help", async () => {
    const lossy: OpenSocket = (url, protocol, events) => {
      let count = 0;
      return openNodeSocket(url, protocol, {
        ...events,
        bytes: (bytes) => {
          count += 1;
          if (count % 2 === 0) events.bytes(bytes);
        },
      });
    };
    const client = await open({ openSocket: lossy });
    const stream = client.dataset("ticks").subscribe({});
    await stream.started;
    const writing = setInterval(() => door.append([tick(1)]), 1);
    const read = async (): Promise<void> => {
      for await (const _ of stream);
    };
    await assert.rejects(read(), { code: "stream_hole" }).finally(() => clearInterval(writing));
    client.close();
  });

  it("holds two streams of one shape apart, and closes them one by one", async () => {
    const client = await open();
    const seen: unknown[][] = [[], []];
    const streams = seen.map((into) =>
      client.dataset("ticks").subscribe({}, { onEvent: (event) => void into.push(...bidsOf(event as never)) }),
    );
    await Promise.all(streams.map(({ started }) => started));
    door.append([tick(1)]);
    await until(() => seen.every(({ length }) => length === 1), "one row each");
    streams[0]!.close();
    await client.position();
    door.append([tick(2)]);
    await until(() => seen[1]!.length === 2, "two rows");
    assert.deepEqual(seen, [[1], [1, 2]]);
    client.close();
  });

  it("pauses a stream whose iterator does not read, and goes on from there", async () => {
    const client = await open();
    const stream = client.dataset("ticks").subscribe({ queueBytes: 500 });
    await stream.started;
    const seen: unknown[] = [];
    for (let bid = 1; bid <= 50; bid++) door.append([tick(bid)]);
    await client.position();
    await until(() => server.hub.figures().subscriptions === 0, "the pause");
    for await (const event of stream) {
      seen.push(...bidsOf(event as never));
      if (seen.length === 50) break;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, index) => index + 1),
    );
    client.close();
  });

  it("tells of corrections with their cause, and of both halves of a commit at once", async () => {
    const client = await open();
    const events: StreamEvent<unknown>[] = [];
    const stream = client.dataset("ticks").subscribe({}, { onEvent: (event) => void events.push(event) });
    await stream.started;
    const replaced = ["S1", tick(1).time, 0.5, null] as const;
    const correction = { place: 0, reason: "late_row", position: 1, sourcePlace: 0, replaced } as const;
    door.store([changeOf([tick(7)]), changeOf([tick(1)], "correct")], {
      kind: "flow",
      flow: "f",
      after: 0,
      through: 1,
      corrections: [correction],
    });
    door.tell();
    await until(() => events.length === 2, "both frames");
    const [appended, corrected] = events;
    assert.ok(appended?.kind === "rows" && corrected?.kind === "rows" && corrected.cause?.kind === "flow");
    assert.equal(corrected.operation, "correct");
    assert.deepEqual(corrected.cause.corrections, [correction]);
    client.close();
  });

  it("rejects what is refused, and everything once it is closed", async () => {
    await assert.rejects(open({ token: "wrong" }), { code: "sign_in_required" });
    await assert.rejects(open({ url: "http://127.0.0.1:1" }), { code: "link_lost" });
    const client = await open({ token: "token-read" });
    await assert.rejects(client.dataset("ticks").append([tick(1)]), { code: "scope_missing" });
    await assert.rejects(client.dataset("nothing").latest("x"), { code: "dataset_unknown" });
    await assert.rejects(client.dataset("ticks").query({ where: "nothing > 1" }));
    await assert.rejects(client.dataset("ticks").subscribe({ where: "bid >" }).started, { code: "expression_invalid" });
    await assert.rejects(client.dataset("ticks").subscribe({ from: 1e9 }).started, { code: "log_position_unknown" });
    const stream = client.dataset("ticks").subscribe({});
    client.close();
    await assert.rejects(stream.started, { code: "client_closed" });
    await assert.rejects(client.dataset("ticks").latest("S1"), { code: "client_closed" });
  });

  it("comes back after the server was restarted, and goes on with its streams and appends", async () => {
    const own = new FakeDoor();
    const first = await startServer(own);
    const port = Number(new URL(first.url).port);
    const client = await open({ url: first.url });
    const seen: unknown[] = [];
    client
      .dataset("ticks")
      .subscribe({ from: "start" }, { onEvent: (event) => void seen.push(...bidsOf(event as never)) });
    await client.dataset("ticks").append([tick(1)]);
    await first.close();
    const appended = client.dataset("ticks").append([tick(2)]);
    const second = await startServer(own, { port });
    await appended;
    await until(() => seen.length === 2, "both rows");
    assert.deepEqual(seen, [1, 2]);
    client.close();
    await second.close();
  });
});
