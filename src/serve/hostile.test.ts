import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { WebSocket } from "ws";
import { FakeDoor, startServer } from "../../client/door.test-helper.ts";
import { tick } from "../../client/source.test-helper.ts";
import type { Server } from "./index.ts";
import { latestText } from "./stream/latest.ts";

let door: FakeDoor;
let server: Server;

before(async () => {
  door = new FakeDoor();
  server = await startServer(door, { stream: { connections: 2 } });
});
after(() => server.close());

const port = (): number => Number(new URL(server.url).port);
const codeOf = async (answer: Response): Promise<string> =>
  ((await answer.json()) as { error: { code: string } }).error.code;

/** What the server answers to bytes as they are, over a socket whose own half stays open. */
async function answerTo(request: string): Promise<string> {
  const socket = connect({ port: port(), host: "127.0.0.1", allowHalfOpen: true });
  const head = `Host: 127.0.0.1:${port()}\r\nAuthorization: Bearer token-all\r\n`;
  let text = "";
  socket.on("data", (bytes) => {
    text += bytes.toString();
  });
  socket.write(request.replace("HEAD", head));
  await once(socket, "end");
  socket.destroy();
  return text;
}

describe("hostile requests", () => {
  it("refuses addresses that are not well encoded in the one form of errors, and echoes nothing", async () => {
    for (const path of ["/v1/datasets/ticks/latest/EUR%zz", "/v1/datasets/ticks/latest/EUR#%zz", "/v1/%zz"]) {
      const text = await answerTo(`GET ${path} HTTP/1.1\r\nHEADConnection: close\r\n\r\n`);
      assert.match(text, /^HTTP\/1.1 400 /, path);
      assert.match(text, /"code":"request_invalid".*"requestId":"/, path);
      assert.doesNotMatch(text, /%zz/);
    }
  });

  it("takes no text that is not UTF-8: no row is changed on the way in", async () => {
    const bytes = Buffer.concat([Buffer.from('[{"symbol":"A'), Buffer.from([0xff]), Buffer.from('"}]')]);
    for (const type of ["application/json", "application/x-ndjson"]) {
      const answer = await fetch(`${server.url}/v1/datasets/ticks/rows`, {
        method: "POST",
        body: bytes,
        headers: { authorization: "Bearer token-all", "content-type": type },
      });
      assert.deepEqual([answer.status, await codeOf(answer)], [400, "request_invalid"], type);
    }
    assert.equal(door.submissions.length, 0);
  });

  it("lets go of a refused upgrade whose other half stays open", async () => {
    const upgrade =
      "GET /nowhere HTTP/1.1\r\nHEADUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const socket = connect({ port: port(), host: "127.0.0.1", allowHalfOpen: true });
    let gone = false;
    socket.on("error", () => {
      gone = true;
    });
    socket.write(upgrade.replace("HEAD", `Host: 127.0.0.1:${port()}\r\n`));
    const [first] = (await once(socket, "data")) as [Buffer];
    assert.match(first.toString(), /^HTTP\/1.1 404 /);
    await once(socket, "end");
    // Whoever has let go answers what still comes with a reset.
    for (let tries = 0; tries < 400 && !gone; tries++) {
      socket.write("x");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    socket.destroy();
    assert.ok(gone);
  });

  it("keeps one answer of latest rows within bounds, however often a key is asked for", () => {
    const row = { symbol: "x".repeat(60_000) };
    const latest = { ...door.latest, get: () => ({ row, position: 1, place: 0 }) } as unknown as FakeDoor["latest"];
    const asked = {
      type: "latest",
      id: 1,
      dataset: "ticks",
      keys: Array.from({ length: 1_000 }, () => ["A"]),
    } as const;
    const { contracts, name } = door;
    const head = (): number => door.head();
    assert.throws(
      () => latestText({ contracts, name, latest, head } as unknown as FakeDoor, { ...asked, keys: [...asked.keys] }),
      {
        code: "request_invalid",
      },
    );
  });

  it("opens no more event streams than connections", async () => {
    const stop = new AbortController();
    const open = () =>
      fetch(`${server.url}/v1/datasets/ticks/stream`, {
        headers: { authorization: "Bearer token-read" },
        signal: stop.signal,
      });
    assert.deepEqual([(await open()).status, (await open()).status], [200, 200]);
    const third = await open();
    assert.deepEqual([third.status, await codeOf(third)], [429, "rate_limited"]);
    stop.abort();
  });

  it("answers a client that took nothing for a while in full once it reads again", async () => {
    await fetch(`${server.url}/v1/datasets/ticks/rows`, {
      method: "POST",
      body: JSON.stringify([{ ...tick(1), symbol: "A" }]),
      headers: { authorization: "Bearer token-all", "content-type": "application/json" },
    });
    const socket = new WebSocket(`ws://127.0.0.1:${port()}/v1/stream`, "millpond.v1");
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "hello", protocol: "millpond.v1", token: "token-read" }));
    await once(socket, "message");
    socket.pause();
    const keys = JSON.stringify(Array.from({ length: 10_000 }, () => ["A"]));
    const asked = 60;
    for (let id = 0; id < asked; id++) {
      socket.send(`{"type":"latest","id":${id},"dataset":"ticks","keys":${keys}}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    const answered: number[] = [];
    socket.on("message", (data: Buffer) => {
      answered.push(Number(/"id":(\d+)/.exec(data.toString("latin1", 0, 60))?.[1]));
    });
    socket.resume();
    while (answered.length < asked) await once(socket, "message");
    assert.deepEqual(
      answered,
      Array.from({ length: asked }, (_, id) => id),
    );
    socket.terminate();
  });
});
