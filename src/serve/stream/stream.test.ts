import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { WebSocket } from "ws";
import { FakeDoor, startServer } from "../../../client/door.test-helper.ts";
import { changeOf, tick, tickLayout } from "../../../client/source.test-helper.ts";
import { decodeBatch, rowsOf } from "../../batch/index.ts";
import {
  decodeMessage,
  encodeMessage,
  type Frame,
  frameFromJson,
  frameOfMessage,
  MessageKind,
} from "../../subscribe/index.ts";
import type { Server } from "../index.ts";

type Json = Record<string, unknown>;

let door: FakeDoor;
let server: Server;

before(async () => {
  door = new FakeDoor();
  const stream = { messageBytes: 64 * 1024, helloBytes: 2_000, helloMs: 150, subscriptions: 4, appends: 8 };
  server = await startServer(door, { stream, subscriptions: { bufferedBytes: 200_000, catchUpBytes: 50_000 } });
});
after(() => server.close());

class Peer {
  readonly socket: WebSocket;
  readonly texts: Json[] = [];
  readonly binaries: Uint8Array[] = [];
  closed: { code: number; reason: string } | undefined;

  constructor(path = "/v1/stream", headers: Record<string, string> = {}) {
    this.socket = new WebSocket(server.url.replace("http", "ws") + path, "millpond.v1", { headers });
    this.socket.on("message", (data: Buffer, isBinary) => {
      if (isBinary) this.binaries.push(new Uint8Array(data));
      else this.texts.push(JSON.parse(data.toString()) as Json);
    });
    this.socket.on("error", () => {});
    this.socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString() };
    });
  }
  static async hello(more: Json = {}): Promise<Peer> {
    const peer = new Peer();
    await once(peer.socket, "open");
    peer.say({ type: "hello", protocol: "millpond.v1", token: "token-all", ...more });
    await peer.text("welcome");
    return peer;
  }
  say(message: Json, rest = ""): void {
    this.socket.send(JSON.stringify(message) + (rest === "" ? "" : `\n${rest}`));
  }
  async text(type: string, id?: number): Promise<Json> {
    const wanted = (text: Json): boolean => text.type === type && (id === undefined || text.id === id);
    await until(() => this.texts.some(wanted), `${type} ${id ?? ""}`);
    const place = this.texts.findIndex(wanted);
    return this.texts.splice(place, 1)[0]!;
  }
}

async function until(done: () => boolean, what: string): Promise<void> {
  for (let index = 0; index < 1_000; index++) {
    if (done()) return;
    await sleep(2);
  }
  assert.fail(`timed out: ${what}`);
}

describe("stream sign-in", () => {
  it("takes the token from the header, the first message, or a ticket that works once", async () => {
    const byHeader = new Peer("/v1/stream", { authorization: "Bearer token-read" });
    await once(byHeader.socket, "open");
    byHeader.say({ type: "hello", protocol: "millpond.v1" });
    const welcome = await byHeader.text("welcome");
    assert.deepEqual([welcome.principal, welcome.encoding, welcome.position], ["service:charts", "json", door.head()]);
    const answer = await fetch(`${server.url}/v1/tickets`, {
      method: "POST",
      headers: { authorization: "Bearer token-read" },
    });
    const { ticket } = (await answer.json()) as { ticket: string };
    const byTicket = new Peer(`/v1/stream?ticket=${ticket}`);
    await once(byTicket.socket, "open");
    const again = new Peer(`/v1/stream?ticket=${ticket}`);
    const [, response] = (await once(again.socket, "unexpected-response")) as [unknown, { statusCode: number }];
    assert.equal(response.statusCode, 401);
    for (const peer of [byHeader, byTicket]) peer.socket.terminate();
  });

  it("refuses wrong tokens, other origins and other paths at the door", async () => {
    const refused = async (path: string, headers: Record<string, string>, status: number): Promise<void> => {
      const { socket } = new Peer(path, headers);
      const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }];
      assert.equal(response.statusCode, status);
    };
    await refused("/v1/stream", { authorization: "Bearer wrong" }, 401);
    await refused("/v1/stream?ticket=wrong", {}, 401);
    await refused("/v1/stream", { origin: "https://evil.example" }, 403);
    await refused("/v1/stream", { host: "rebound.example" }, 403);
    await refused("/v1/other", {}, 404);
  });

  it("does nothing before hello, and waits neither for long nor for much", async () => {
    const early = new Peer();
    await once(early.socket, "open");
    early.say({ type: "subscribe", id: 1, dataset: "ticks" });
    assert.equal((await early.text("error", 1)).code, "stream_unready");
    await until(() => early.closed?.code === 4401, "the end of the early one");
    const silent = new Peer();
    await until(() => silent.closed?.code === 4408, "the end of the silent one");
    const large = new Peer();
    await once(large.socket, "open");
    large.socket.send("x".repeat(50_000), { fin: false });
    await until(() => large.closed?.code === 1006, "the end of the large one");
    const wrong = new Peer();
    await once(wrong.socket, "open");
    wrong.say({ type: "hello", protocol: "millpond.v1", token: "wrong" });
    assert.equal((await wrong.text("error")).code, "sign_in_required");
  });
});

describe("stream", () => {
  it("gives the same frames in both encodings", async () => {
    const json = await Peer.hello();
    const columns = await Peer.hello({ encoding: "columns" });
    for (const peer of [json, columns]) peer.say({ type: "subscribe", id: 1, dataset: "ticks", where: "bid < 50" });
    const subscribed = await Promise.all([json.text("subscribed"), columns.text("subscribed")]);
    assert.deepEqual(subscribed[0].layout, tickLayout);
    door.append([tick(1), tick(2), tick(60)]);
    const replaced = [tick(3).symbol, tick(3).time, 3.5, null] as const;
    const correction = { place: 1, reason: "late_row", position: 1, sourcePlace: 0, replaced } as const;
    const cause = { kind: "flow", flow: "f", after: 0, through: 1, corrections: [correction] } as const;
    door.store([changeOf([tick(4)]), changeOf([tick(70), tick(3)], "correct")], cause);
    door.tell();
    await until(() => json.texts.length === 3 && columns.binaries.length === 3, "three frames each");
    const empty = decodeBatch(changeOf([]).bytes);
    const ours = json.texts.map((text) => frameFromJson(text.type as Frame["kind"], text, tickLayout));
    const theirs = columns.binaries.map((bytes) => frameOfMessage(decodeMessage(bytes), tickLayout, empty));
    const plain = (frame: Frame) => ({ ...frame, batch: "batch" in frame && rowsOf(frame.layout, frame.batch) });
    assert.deepEqual(ours.map(plain), theirs.map(plain));
    assert.equal(theirs.filter((frame) => frame.kind === "rows" && frame.continued === true).length, 1);
    for (const peer of [json, columns]) peer.socket.terminate();
  });

  it("appends in both forms, with small receipts, numbered within the session of the principal", async () => {
    const peer = await Peer.hello({ encoding: "columns", session: "0192f1a0-0000" });
    peer.say({ type: "open", id: 1, dataset: "ticks" });
    const opened = await peer.text("opened", 1);
    assert.deepEqual([opened.handle, opened.layout], [0, tickLayout]);
    const columns = changeOf([tick(10), tick(11)]).bytes;
    peer.socket.send(encodeMessage({ kind: MessageKind.append, handle: 0, id: 7, position: 1, columns }));
    peer.say({ type: "append", id: 8, dataset: "ticks", batch: 2 }, JSON.stringify([tick(12), { bid: "x" }]));
    await until(() => peer.binaries.length === 2, "two receipts");
    const [first, second] = peer.binaries.map(decodeMessage);
    assert.deepEqual(
      [first!.kind, first!.id, first!.previous, peer.binaries[0]!.length],
      [MessageKind.receipt, 7, 2, 32],
    );
    assert.deepEqual([second!.id, second!.previous, (second!.meta as { account: Json }).account.refused], [8, 1, 1]);
    assert.equal(door.submissions.at(-1)!.session, "user:ann/0192f1a0-0000");
    peer.socket.terminate();
    const again = await Peer.hello({ session: "0192f1a0-0000" });
    again.say({ type: "append", id: 9, dataset: "ticks", batch: 2 }, JSON.stringify([tick(12)]));
    const receipt = await again.text("receipt", 9);
    assert.deepEqual([receipt.repeated, receipt.position], [true, second!.position]);
    again.socket.terminate();
  });

  it("reads no further while too many appends wait, and answers them all", async () => {
    const peer = await Peer.hello();
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    door.beforeDurable = () => gate;
    const before = door.submissions.length;
    const row = JSON.stringify([{ ...tick(1), venue: "x".repeat(30_000) }]);
    for (let batch = 1; batch <= 60; batch++) {
      peer.say({ type: "append", id: batch, dataset: "ticks", batch }, row);
    }
    await sleep(60);
    assert.ok(door.submissions.length - before < 30, `${door.submissions.length - before} under way`);
    door.beforeDurable = async () => {};
    release();
    await until(() => peer.texts.length === 60, "all receipts");
    assert.deepEqual(
      peer.texts.map(({ id }) => id),
      Array.from({ length: 60 }, (_, index) => index + 1),
    );
    peer.socket.terminate();
  });

  it("bounds what waits for a client that does not read, cuts it with its cursor, and delays nobody", async () => {
    const stalled = await Peer.hello({ encoding: "columns" });
    stalled.say({ type: "subscribe", id: 1, dataset: "ticks" });
    await stalled.text("subscribed");
    stalled.socket.pause();
    const quick = await Peer.hello({ encoding: "columns" });
    quick.say({ type: "subscribe", id: 1, dataset: "ticks" });
    await quick.text("subscribed");
    const cuts = server.hub.figures().cutSlow;
    const rows = Array.from({ length: 1_000 }, (_, bid) => tick(bid));
    let sent = 0;
    while (server.hub.figures().cutSlow === cuts && sent < 2_000) {
      door.append(rows);
      sent += 1;
      await until(() => quick.binaries.length === sent, "the quick one's frame");
    }
    assert.ok(sent < 2_000, "the stalled one was cut");
    stalled.socket.resume();
    const isCut = (bytes: Uint8Array | undefined): boolean => bytes !== undefined && bytes[0] === MessageKind.cut;
    await until(() => isCut(stalled.binaries.at(-1)), "the cut");
    const cut = decodeMessage(stalled.binaries.at(-1)!);
    const last = decodeMessage(stalled.binaries.at(-2)!);
    assert.deepEqual([cut.position, cut.meta], [last.position, { cause: "slow_consumer" }]);
    const before = stalled.binaries.length;
    stalled.say({ type: "subscribe", id: 1, dataset: "ticks", from: cut.position });
    await until(() => stalled.binaries.length >= before + sent - (before - 1), "the rest");
    assert.equal(decodeMessage(stalled.binaries[before]!).previous, cut.position);
    for (const peer of [stalled, quick]) peer.socket.terminate();
  });

  it("sends the newest row of each key to a slow client that asked for it", async () => {
    const peer = await Peer.hello({ encoding: "columns" });
    peer.say({ type: "subscribe", id: 1, dataset: "ticks", conflate: true, fields: ["symbol", "bid"] });
    const { layout } = await peer.text("subscribed");
    peer.socket.pause();
    let bid = 0;
    while (server.hub.figures().conflating === 0 && bid < 1_000_000) {
      const from = bid;
      door.append(Array.from({ length: 1_000 }, (_, index) => tick(from + index)));
      bid += 1_000;
      await sleep(0);
    }
    for (let more = 0; more < 3; more++) door.append([tick(bid++)]);
    peer.socket.resume();
    const gap = () => peer.binaries.map(decodeMessage).find(({ kind }) => kind === MessageKind.gap);
    await until(() => gap() !== undefined, "the gap");
    const frames = peer.binaries.map((bytes) => decodeMessage(bytes));
    const place = frames.findIndex(({ kind }) => kind === MessageKind.gap);
    const conflated = frames[place - 1]!;
    const newest = rowsOf(layout as typeof tickLayout, decodeBatch(conflated.columns!));
    assert.deepEqual(
      new Map(newest.map((row) => [row.symbol, row.bid])),
      new Map(Array.from({ length: 5 }, (_, index) => [`S${(bid - 5 + index) % 5}`, bid - 5 + index])),
    );
    assert.ok((conflated.meta as { conflated: number }).conflated > 0);
    assert.equal(frames[place]!.position, conflated.position);
    peer.socket.terminate();
  });

  it("bounds subscriptions and tells those of one shape apart", async () => {
    const peer = await Peer.hello();
    const channels = [];
    for (let id = 1; id <= 4; id++) {
      peer.say({
        type: "subscribe",
        id,
        dataset: "ticks",
        ...(id === 2 && { fields: tickLayout.map(({ name }) => name) }),
      });
      channels.push((await peer.text("subscribed", id)).channel);
    }
    assert.equal(new Set(channels).size, 4);
    peer.say({ type: "subscribe", id: 5, dataset: "ticks" });
    assert.equal((await peer.text("error", 5)).code, "subscription_limit");
    peer.say({ type: "unsubscribe", id: 4 });
    await peer.text("unsubscribed", 4);
    peer.say({ type: "subscribe", id: 1, dataset: "ticks" });
    assert.equal((await peer.text("error", 1)).code, "stream_unready");
    peer.say({ type: "unsubscribe", id: 4 });
    assert.equal((await peer.text("error", 4)).code, "subscription_unknown");
    peer.socket.terminate();
    await until(() => server.hub.figures().subscriptions === 0, "the end of its subscriptions");
  });

  it("answers hostile messages with typed errors and goes on", async () => {
    const peer = await Peer.hello();
    const hostile: [string, string][] = [
      ["", "frame_malformed"],
      ["null", "frame_malformed"],
      ["[]", "frame_malformed"],
      ['{"type":"__proto__","id":1}', "frame_malformed"],
      ['{"type":"constructor","id":1}', "frame_malformed"],
      ['{"type":"latest","id":1,"dataset":"ticks","keys":[["a","b"]]}', "request_invalid"],
      ['{"type":"latest","id":1,"dataset":"__proto__","keys":[["a"]]}', "dataset_unknown"],
      ['{"type":"latest","id":1,"dataset":"ticks","keys":[[{}]]}', "frame_malformed"],
      ['{"type":"latest","id":-1,"dataset":"ticks","keys":[["a"]]}', "frame_malformed"],
      ['{"type":"subscribe","id":1,"dataset":"ticks","__proto__":{"from":"start"}}', "frame_malformed"],
      ['{"type":"subscribe","id":1,"dataset":"ticks","from":99999999}', "log_position_unknown"],
      ['{"type":"subscribe","id":1,"dataset":"ticks","fields":["__proto__"]}', "field_unknown"],
      ['{"type":"subscribe","id":1,"dataset":"ticks","where":7}', "request_invalid"],
      [
        `{"type":"subscribe","id":1,"dataset":"ticks","where":${"[".repeat(9_000)}${"]".repeat(9_000)}}`,
        "expression_invalid",
      ],
      ['{"type":"append","id":1,"dataset":"nothing","batch":1}', "dataset_unknown"],
      ['{"type":"append","id":1,"dataset":"_quarantine","batch":1}', "dataset_protected"],
      ['{"type":"append","id":1,"dataset":"ticks","batch":1.5}', "frame_malformed"],
      ['{"type":"hello","protocol":"millpond.v1"}', "stream_unready"],
    ];
    for (const [text, code] of hostile) {
      peer.socket.send(text);
      assert.equal((await peer.text("error")).code, code, text.slice(0, 100));
    }
    peer.say({ type: "ping", id: 3 });
    assert.equal((await peer.text("pong", 3)).position, server.hub.head);
    peer.socket.send(Buffer.alloc(100_000));
    await until(() => peer.closed?.code === 1009, "the end of the one with the huge message");
  });

  it("takes any bytes as an append or refuses them", async () => {
    const peer = await Peer.hello();
    peer.say({ type: "open", id: 1, dataset: "ticks" });
    await peer.text("opened");
    const message = fc.uint8Array({ maxLength: 200 });
    const almost = fc.tuple(fc.constantFrom(1, 5, 16, 255), fc.nat({ max: 3 }), message).map(([kind, handle, rest]) => {
      const bytes = encodeMessage({ kind, handle, id: 1, position: 1, columns: rest });
      return rest.length % 3 === 0 ? bytes.subarray(0, rest.length) : bytes;
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(message, almost), async (bytes) => {
        peer.socket.send(bytes);
        const { code } = await peer.text("error");
        assert.ok(["frame_malformed", "batch_malformed", "stream_unready"].includes(String(code)), String(code));
      }),
      { numRuns: Number(process.env.MILLPOND_RUNS ?? 150) },
    );
    peer.socket.terminate();
  });

  it("survives bytes that are no WebSocket at all", async () => {
    const { port } = new URL(server.url);
    const upgrade =
      `GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for (const bytes of [Buffer.from(`${upgrade}\x81\x7f\xff`, "latin1"), Buffer.from("\x16\x03\x01", "latin1")]) {
      const socket = connectTcp(Number(port), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(bytes);
      socket.resume();
      await once(socket, "close");
    }
    const peer = await Peer.hello();
    peer.socket.terminate();
  });
});

describe("events", () => {
  const open = (query: string, headers: Record<string, string> = {}) =>
    fetch(`${server.url}/v1/datasets/ticks/stream${query}`, {
      headers: { authorization: "Bearer token-read", ...headers },
    });

  async function* eventsOf(answer: Response): AsyncGenerator<{ event: string; id?: string; data: Json }> {
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of answer.body!) {
      text += decoder.decode(bytes as Uint8Array, { stream: true });
      const parts = text.split("\n\n");
      text = parts.pop()!;
      for (const part of parts) {
        const fields = Object.fromEntries(part.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]));
        if (fields.event !== undefined) yield { ...fields, data: JSON.parse(fields.data!) as Json } as never;
      }
    }
  }

  it("carry the same frames, and resume from Last-Event-ID", async () => {
    const from = door.head();
    const first = eventsOf(await open(`?where=${encodeURIComponent("bid < 100")}&fields=bid&from=${from}`));
    assert.deepEqual((await first.next()).value?.data.position, from);
    door.append([tick(1), tick(200)]);
    const { value } = await first.next();
    assert.deepEqual([value?.event, value?.id, value?.data.rows], ["rows", String(from + 1), [{ bid: 1 }]]);
    await first.return(undefined);
    door.append([tick(2)]);
    const resumed = eventsOf(await open("?fields=bid&from=start", { "last-event-id": value!.id! }));
    await resumed.next();
    const after = (await resumed.next()).value?.data;
    assert.deepEqual([after?.previous, after?.rows], [from + 1, [{ bid: 2 }]]);
    await resumed.return(undefined);
    await until(() => server.hub.figures().subscriptions === 0, "the end of both");
  });

  it("refuse what a subscription refuses, before anything is sent", async () => {
    assert.equal((await open("?from=99999999")).status, 400);
    assert.equal((await open("?where=nothing")).status, 400);
    assert.equal((await open("", { "last-event-id": "x" })).status, 400);
  });
});
