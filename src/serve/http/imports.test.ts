import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { FakeDoor, startServer } from "../../../client/door.test-helper.ts";
import type { Server } from "../index.ts";

interface Line {
  readonly id?: string;
  readonly progress?: unknown;
  readonly report?: { readonly stopped: boolean; readonly account: object };
  readonly error?: { readonly code: string };
}

describe("imports over HTTP", () => {
  let door: FakeDoor;
  let server: Server;
  before(async () => {
    door = new FakeDoor();
    server = await startServer(door, { importBytes: 1_000 });
  });
  after(() => server.close());

  const send = (search: string, body: string, token = "token-write", type = "application/octet-stream") =>
    fetch(`${server.url}/v1/imports?${search}`, {
      method: "POST",
      body,
      headers: { authorization: `Bearer ${token}`, "content-type": type },
    });
  const linesOf = async (answer: Response): Promise<Line[]> =>
    (await answer.text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
  const codeOf = async (answer: Response): Promise<string> =>
    ((await answer.json()) as { error: { code: string } }).error.code;

  it("hands the body over as a file that keeps the name's last folders, and removes it", async () => {
    const answer = await send("name=/data/oanda/day.csv&zone=UTC&feed=files", "1,2,3\n");
    assert.equal(answer.status, 200);
    const lines = await linesOf(answer);
    assert.deepEqual(Object.keys(lines[0]!), ["id"]);
    assert.equal(lines.at(-1)!.report!.stopped, false);
    const { file, text, actor, asked } = door.imports.at(-1)!;
    assert.deepEqual({ text, actor }, { text: "1,2,3\n", actor: "service:loader" });
    assert.deepEqual({ ...asked }, { zone: "UTC", feed: "files" });
    assert.match(file, /\/data\/oanda\/day\.csv$/);
    assert.equal(existsSync(file), false);
  });

  it("never writes outside of its own folder", async () => {
    await (await send(`name=${encodeURIComponent("../../../../etc/..\\evil\u0000.csv")}`, "x")).text();
    const { file } = door.imports.at(-1)!;
    assert.match(file, /millpond-import-\w+\/etc\/evil_\.csv$/);
  });

  it("takes a layout as JSON", async () => {
    await (await send(`name=a.csv&layout=${encodeURIComponent('{"kind":"csv"}')}`, "x")).text();
    assert.deepEqual({ ...door.imports.at(-1)!.asked }, { layout: { kind: "csv" } });
    assert.equal(
      await codeOf(await send(`name=a.csv&layout=${encodeURIComponent("{x")}`, "x")),
      "import_layout_invalid",
    );
  });

  it("stops when it is asked to, by its own caller alone", async () => {
    door.duringImport = (signal) => new Promise((resolve) => signal?.addEventListener("abort", () => resolve()));
    const answer = await send("name=a.csv", "x");
    const reader = answer.body!.getReader();
    const { id } = JSON.parse(new TextDecoder().decode((await reader.read()).value)) as { id: string };
    const stop = (token: string) =>
      fetch(`${server.url}/v1/imports/${id}/stop`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
    assert.equal(await codeOf(await stop("token-all")), "import_unknown");
    assert.equal((await stop("token-write")).status, 200);
    const { report } = JSON.parse(new TextDecoder().decode((await reader.read()).value)) as Line;
    assert.equal(report!.stopped, true);
    door.duringImport = async () => {};
  });

  it("stops when nobody waits for the answer any more", async () => {
    const stopped = Promise.withResolvers<void>();
    door.duringImport = (signal) =>
      new Promise((resolve) => {
        signal?.addEventListener("abort", () => {
          stopped.resolve();
          resolve();
        });
      });
    const answer = await send("name=a.csv", "x");
    await answer.body!.cancel();
    await stopped.promise;
    door.duringImport = async () => {};
  });

  it("refuses what is too large, who may not write, and bodies of another kind", async () => {
    const before = door.imports.length;
    assert.equal(await codeOf(await send("name=a.csv", "x".repeat(1_001))), "body_too_large");
    assert.equal(await codeOf(await send("name=a.csv", "x", "token-read")), "scope_missing");
    assert.equal(await codeOf(await send("name=a.csv", "x", "token-write", "text/csv")), "media_type_unknown");
    assert.equal(await codeOf(await send("", "x")), "request_invalid");
    assert.equal(door.imports.length, before);
  });

  it("takes such bodies on no other route", async () => {
    const answer = await fetch(`${server.url}/v1/datasets/ticks/rows`, {
      method: "POST",
      body: "x",
      headers: { authorization: "Bearer token-write", "content-type": "application/octet-stream" },
    });
    assert.equal(answer.status, 415);
  });
});
