import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { changeOf, FakeSource, seeded, tick, tickLayout } from "../../client/source.test-helper.ts";
import { createEnvironment, type Timers } from "../base/index.ts";
import { decodeBatch, rowsOf } from "../batch/index.ts";
import type { Expression } from "../expression/index.ts";
import type { Cause } from "../log/index.ts";
import { createHub } from "./index.ts";
import type { Delivery, Frame, Hub, HubLimits, RowsFrame, Sink } from "./types.ts";

const RUNS = Number(process.env.MILLPOND_RUNS ?? 150);

/** A consumer that takes nothing until told to. */
class SlowSink implements Sink {
  readonly deliveries: Delivery[] = [];
  buffered = 0;
  #waiting: (() => void)[] = [];
  send(delivery: Delivery): void {
    this.deliveries.push(delivery);
  }
  bufferedBytes(): number {
    return this.buffered;
  }
  onceDrained(callback: () => void): void {
    this.#waiting.push(callback);
  }
  drain(): void {
    this.buffered = 0;
    for (const callback of this.#waiting.splice(0)) callback();
  }
  get frames(): Frame[] {
    return this.deliveries.flatMap(({ frames }) => frames);
  }
  get rows(): RowsFrame[] {
    return this.frames.filter((frame) => frame.kind === "rows");
  }
}

class ManualTimers implements Timers {
  readonly waiting = new Map<object, { delayMs: number; callback: () => void }>();
  delay(): Promise<void> {
    throw new Error("not used here");
  }
  after(delayMs: number, callback: () => void): () => void {
    const key = {};
    this.waiting.set(key, { delayMs, callback });
    return () => this.waiting.delete(key);
  }
  fire(delayMs: number): void {
    for (const [key, timer] of [...this.waiting]) {
      if (timer.delayMs !== delayMs) continue;
      this.waiting.delete(key);
      timer.callback();
    }
  }
}

function open(limits: Partial<HubLimits> = {}): { source: FakeSource; hub: Hub; timers: ManualTimers } {
  const source = new FakeSource();
  const timers = new ManualTimers();
  return { source, timers, hub: createHub({ source, environment: createEnvironment({ timers }), limits }) };
}

/** Follows the rule of the protocol: what a subscriber accepts, and what it has then seen. */
function followed(from: number, frames: readonly Frame[]): { cursor: number; bids: number[] } {
  let cursor = from;
  const bids: number[] = [];
  for (const frame of frames) {
    if (frame.kind === "gap") cursor = Math.max(cursor, frame.through);
    if (frame.kind !== "rows") continue;
    assert.ok(
      frame.previous <= cursor && cursor < frame.position,
      `hole: ${frame.previous} ${cursor} ${frame.position}`,
    );
    if (frame.continued !== true) cursor = frame.position;
    for (const { bid } of rowsOf(frame.layout, frame.batch)) bids.push(bid as number);
  }
  return { cursor, bids };
}

const bidAbove = (bid: number): Expression => ({
  op: "gt",
  left: { op: "field", name: "bid" },
  right: { op: "literal", type: "float", value: bid },
});

describe("subscriptions", () => {
  it("give each row once and in order from any cursor, however commits fall between the awaits", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat({ max: 30 }), fc.boolean(), async (seed, before, filtered) => {
        const { source, hub, timers } = open({ catchUpCommits: 3 });
        const random = seeded(seed);
        let number = 0;
        const step = (): void => source.step(random, () => ++number);
        for (let index = 0; index < before; index++) step();
        source.tell();
        let budget = 60;
        source.onRead = () => {
          for (; budget > 0 && random.next() < 0.7; budget--) step();
        };
        const from = Math.floor(random.next() * (hub.head + 1));
        const where = filtered ? { where: bidAbove(12) } : {};
        const sinks = [new SlowSink(), new SlowSink()];
        const subscribed = sinks.map((sink) => hub.subscribe({ dataset: "ticks", from, ...where }, sink));
        for (let index = 0; index < 40; index++) {
          await turn();
          if (random.next() < 0.3) step();
          if (random.next() < 0.1) timers.fire(1_000);
        }
        source.tell();
        await turn();
        const passing = ({ position, changes }: (typeof source.commits)[number]): number[] =>
          position <= from || changes[0]!.dataset !== "ticks"
            ? []
            : rowsOf(tickLayout, changes[0]!.batch).map(({ bid }) => bid as number);
        const expected = source.commits.flatMap(passing).filter((bid) => !filtered || bid > 12);
        for (const [index, sink] of sinks.entries()) {
          const { cursor, bids } = followed(from, sink.frames);
          assert.deepEqual(bids, expected);
          assert.equal(cursor, subscribed[index]!.cursor);
          assert.equal(subscribed[index]!.state, "live");
        }
        hub.close();
      }),
      { numRuns: RUNS },
    );
  });

  it("evaluate and encode a shape once, and hand on the commit's own bytes where nothing is left out", async () => {
    const { source, hub } = open();
    const sinks = [new SlowSink(), new SlowSink(), new SlowSink()];
    const all = ["symbol", "time", "bid", "venue"];
    hub.subscribe({ dataset: "ticks", from: "now" }, sinks[0]!);
    hub.subscribe({ dataset: "ticks", from: "now", fields: all }, sinks[1]!);
    hub.subscribe({ dataset: "ticks", from: "now", fields: ["bid"] }, sinks[2]!);
    await turn();
    source.append([tick(1), tick(2)]);
    assert.equal(sinks[0]!.deliveries[0], sinks[1]!.deliveries[0]);
    assert.equal(sinks[0]!.deliveries[0]!.bytes[0], source.commits[0]!.changes[0]!.bytes);
    assert.notEqual(sinks[2]!.deliveries[0], sinks[0]!.deliveries[0]);
    assert.deepEqual(rowsOf(sinks[2]!.rows[0]!.layout, sinks[2]!.rows[0]!.batch), [{ bid: 1 }, { bid: 2 }]);
    assert.equal(hub.figures().shapes, 2);
    let encoded = 0;
    const encoding = { encode: () => ++encoded };
    for (const sink of sinks.slice(0, 2)) sink.deliveries[0]!.encoded(encoding);
    assert.equal(encoded, 1);
  });

  it("tell a sink that could not take its rows that the subscription ended, and where", async () => {
    const { source, hub } = open();
    const sink = new SlowSink();
    sink.send = (delivery) => {
      if (delivery.rows > 0) throw new RangeError("too long for the encoding");
      sink.deliveries.push(delivery);
    };
    hub.subscribe({ dataset: "ticks", from: "now" }, sink);
    await turn();
    source.append([tick(1)]);
    assert.deepEqual(sink.frames, [{ kind: "cut", cursor: 0, cause: "read_failed" }]);
  });

  it("give a second subscription to one shape its own channel by variant", async () => {
    const { hub } = open();
    const request = { dataset: "ticks", from: "now" } as const;
    const first = hub.subscribe(request, new SlowSink());
    assert.equal(hub.subscribe(request, new SlowSink()).channel, first.channel);
    assert.notEqual(hub.subscribe(request, new SlowSink(), 1).channel, first.channel);
  });

  it("move the cursor by progress frames when the filter lets nothing by", async () => {
    const { source, hub, timers } = open();
    const sink = new SlowSink();
    const subscription = hub.subscribe({ dataset: "ticks", from: "now", where: bidAbove(100) }, sink);
    await turn();
    source.append([tick(1)]);
    source.append([tick(2)]);
    assert.equal(sink.deliveries.length, 0);
    timers.fire(1_000);
    timers.fire(1_000);
    assert.equal(sink.rows.length, 1);
    assert.equal(sink.rows[0]!.batch.count, 0);
    assert.equal(subscription.cursor, 2);
    source.append([tick(200)]);
    assert.deepEqual(followed(0, sink.frames), { cursor: 3, bids: [200] });
  });

  it("tell who joins late how far the others were told already", async () => {
    const { source, hub, timers } = open();
    const request = { dataset: "ticks", where: bidAbove(100) } as const;
    hub.subscribe({ ...request, from: "now" }, new SlowSink());
    await turn();
    source.append([tick(1)]);
    timers.fire(1_000);
    const late = new SlowSink();
    hub.subscribe({ ...request, from: 0 }, late);
    for (let index = 0; index < 5; index++) await turn();
    source.append([tick(200)]);
    assert.deepEqual(followed(0, late.frames), { cursor: 2, bids: [200] });
  });

  it("cut a slow subscriber with its cursor, without a word to the others", async () => {
    const { source, hub } = open({ bufferedBytes: 100 });
    const [slow, quick] = [new SlowSink(), new SlowSink()];
    const subscription = hub.subscribe({ dataset: "ticks", from: "now" }, slow);
    hub.subscribe({ dataset: "ticks", from: "now" }, quick);
    await turn();
    source.append([tick(1)]);
    slow.buffered = 101;
    source.append([tick(2)]);
    source.append([tick(3)]);
    assert.deepEqual(slow.frames.at(-1), { kind: "cut", cursor: 1, cause: "slow_consumer" });
    assert.equal(slow.deliveries.length, 2);
    assert.equal(subscription.state, "ended");
    assert.deepEqual(followed(0, quick.frames), { cursor: 3, bids: [1, 2, 3] });
    assert.equal(hub.figures().cutSlow, 1);
    const again = new SlowSink();
    hub.subscribe({ dataset: "ticks", from: 1 }, again);
    for (let index = 0; index < 5; index++) await turn();
    assert.deepEqual(followed(1, again.frames), { cursor: 3, bids: [2, 3] });
  });

  it("conflate by key for a slow subscriber that asked for it, and say how many rows are left out", async () => {
    const { source, hub } = open({ bufferedBytes: 100 });
    const sink = new SlowSink();
    hub.subscribe({ dataset: "ticks", from: "now", conflate: true, fields: ["bid"] }, sink);
    await turn();
    source.append([tick(1)]);
    sink.buffered = 101;
    source.append([tick(2, "A"), tick(3, "B")]);
    source.append([tick(5, "A"), tick(4, "A")]);
    source.append([tick(6, "B")]);
    assert.equal(sink.deliveries.length, 1);
    sink.drain();
    const [, rows, gap] = sink.frames;
    assert.ok(rows?.kind === "rows" && gap?.kind === "gap");
    assert.deepEqual(rowsOf(rows.layout, rows.batch), [{ bid: 5 }, { bid: 6 }]);
    assert.equal(rows.conflated, 3);
    assert.deepEqual(gap, { kind: "gap", after: 1, through: 4, cause: "conflated" });
    source.append([tick(7, "B")]);
    assert.equal(followed(0, sink.frames).cursor, 5);
    assert.equal(hub.figures().conflatedRows, 3);
  });

  it("cut a conflating subscriber whose keys are too many", async () => {
    const { source, hub } = open({ bufferedBytes: 100, conflatedKeys: 2 });
    const sink = new SlowSink();
    hub.subscribe({ dataset: "ticks", from: "now", conflate: true }, sink);
    await turn();
    sink.buffered = 101;
    source.append([tick(1), tick(2), tick(3)]);
    assert.deepEqual(sink.frames, [{ kind: "cut", cursor: 0, cause: "slow_consumer" }]);
  });

  it("keep catching up within the sink's pace", async () => {
    const { source, hub } = open({ catchUpBytes: 10, catchUpCommits: 1 });
    for (let number = 1; number <= 5; number++) source.append([tick(number)]);
    const sink = new SlowSink();
    sink.buffered = 11;
    hub.subscribe({ dataset: "ticks", from: "start" }, sink);
    for (let index = 0; index < 10; index++) await turn();
    assert.equal(sink.deliveries.length, 0);
    sink.drain();
    for (let index = 0; index < 30; index++) await turn();
    assert.deepEqual(followed(0, sink.frames).bids, [1, 2, 3, 4, 5]);
  });

  it("tell both halves of a commit that appends and corrects, with the cause of the correction", async () => {
    const { source, hub } = open();
    const sink = new SlowSink();
    hub.subscribe({ dataset: "ticks", from: "now", fields: ["bid"], where: bidAbove(10) }, sink);
    await turn();
    const correction = (place: number, bid: number) => {
      const { symbol, time } = tick(bid);
      return { place, reason: "late_row", position: 1, sourcePlace: 0, replaced: [symbol, time, bid, null] } as const;
    };
    const corrections = [correction(0, 3), correction(1, 30), correction(2, 4)];
    const cause: Cause = { kind: "flow", flow: "f", after: 0, through: 1, corrections };
    const corrected = changeOf([tick(2), tick(5), tick(40)], "correct");
    source.store([changeOf([tick(11)]), corrected], cause);
    source.tell();
    const [appended, frame] = sink.rows;
    assert.equal(appended!.continued, true);
    assert.ok(frame?.cause?.kind === "flow" && frame.operation === "correct" && frame.continued === undefined);
    // 5 replaces 30, which the subscriber had seen; 2 replaces 3, of which it never knew.
    assert.deepEqual(rowsOf(frame.layout, frame.batch), [{ bid: 5 }, { bid: 40 }]);
    assert.deepEqual(
      frame.cause.corrections?.map(({ place, replaced }) => [place, replaced]),
      [
        [0, [30]],
        [1, [4]],
      ],
    );
    assert.equal(followed(0, sink.frames).cursor, 1);
  });

  it("show open windows to those who want them, all of them at first", async () => {
    const { source, hub, timers } = open();
    const [wanting, other] = [new SlowSink(), new SlowSink()];
    hub.subscribe({ dataset: "ticks", from: "now", provisional: true, where: bidAbove(1) }, wanting);
    hub.subscribe({ dataset: "ticks", from: "now" }, other);
    await turn();
    source.windows = { layout: tickLayout, batch: changeOf([tick(1), tick(2)]).batch, asOf: 0 };
    timers.fire(250);
    const [frame] = wanting.frames;
    assert.ok(frame?.kind === "provisional");
    assert.deepEqual(
      rowsOf(frame.layout, frame.batch).map(({ bid }) => bid),
      [2],
    );
    assert.equal(other.frames.length, 0);
  });

  it("end when the log cannot be read, when a sink throws, and at the hub's end", async () => {
    const { source, hub } = open();
    source.append([tick(1)]);
    const broken: Sink = {
      ...new SlowSink(),
      bufferedBytes: () => 0,
      onceDrained: () => {},
      send: () => {
        throw new Error("the socket is gone");
      },
    };
    const throwing = hub.subscribe({ dataset: "ticks", from: "now" }, broken);
    const sink = new SlowSink();
    hub.subscribe({ dataset: "ticks", from: "now" }, sink);
    await turn();
    source.append([tick(2)]);
    assert.equal(throwing.state, "ended");
    assert.equal(sink.rows.length, 1);
    source.failReads = true;
    const unread = new SlowSink();
    hub.subscribe({ dataset: "ticks", from: "start" }, unread);
    for (let index = 0; index < 5; index++) await turn();
    assert.deepEqual(unread.frames, [{ kind: "cut", cursor: 0, cause: "read_failed" }]);
    hub.close();
    assert.deepEqual(sink.frames.at(-1), { kind: "cut", cursor: 2, cause: "shutdown" });
  });

  it("refuse unknown datasets, fields and positions", () => {
    const { hub } = open();
    const refused = (request: object, code: string): void => {
      const subscribe = () => hub.subscribe({ dataset: "ticks", from: "now", ...request }, new SlowSink());
      assert.throws(subscribe, { code });
    };
    refused({ dataset: "nothing" }, "dataset_unknown");
    refused({ fields: ["nothing"] }, "field_unknown");
    refused({ from: 1 }, "log_position_unknown");
    refused({ from: -1 }, "log_position_unknown");
    refused({ where: { op: "field", name: "bid" } }, "expression_type");
    assert.equal(hub.figures().subscriptions, 0);
  });

  it("iterate within the process and stop by signal", async () => {
    const { source, hub } = open();
    source.append([tick(1)]);
    const stop = new AbortController();
    const frames = hub.iterate({ dataset: "ticks", from: "start" }, stop.signal);
    const first = await frames.next();
    assert.ok(first.value?.kind === "rows" && first.value.position === 1);
    const waiting = frames.next();
    stop.abort();
    assert.equal((await waiting).done, true);
    assert.equal(hub.figures().subscriptions, 0);
  });

  it("have columns that decode to the commit's rows", () => {
    const { batch, bytes } = changeOf([tick(1)]);
    assert.deepEqual(decodeBatch(bytes), decodeBatch(changeOf([tick(1)]).bytes));
    assert.equal(batch.count, 1);
  });
});
