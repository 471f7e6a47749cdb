import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeDoor, startServer } from "../../client/door.test-helper.ts";
import { tick } from "../../client/source.test-helper.ts";

const headers = { authorization: "Bearer token-all", "content-type": "application/json" };

test("closing answers the requests under way, ends event streams with their cursor, and takes nothing new", async () => {
  const door = new FakeDoor();
  const server = await startServer(door);
  const { url } = server;
  const gate = Promise.withResolvers<void>();
  const submit = door.submit.bind(door);
  const reached = Promise.withResolvers<void>();
  door.submit = async (submission) => {
    reached.resolve();
    await gate.promise;
    return submit(submission);
  };
  const stream = await fetch(`${url}/v1/datasets/ticks/stream`, { headers });
  const appended = fetch(`${url}/v1/datasets/ticks/rows`, { method: "POST", headers, body: JSON.stringify([tick(1)]) });
  await reached.promise;
  const closed = server.close();
  gate.resolve();
  const answer = await appended;
  assert.equal(answer.status, 200);
  assert.equal(((await answer.json()) as { account: { accepted: number } }).account.accepted, 1);
  assert.match(await stream.text(), /event: cut\nid: \d+\ndata: .*"shutdown"/);
  await closed;
  await assert.rejects(fetch(`${url}/health/live`));
});

test("what takes longer than the grace is cut off", async () => {
  const door = new FakeDoor();
  const server = await startServer(door);
  const reached = Promise.withResolvers<void>();
  door.submit = () => {
    reached.resolve();
    return new Promise(() => {});
  };
  const appended = fetch(`${server.url}/v1/datasets/ticks/rows`, { method: "POST", headers, body: "[]" });
  await reached.promise;
  const closed = server.close(50);
  await assert.rejects(appended);
  await closed;
});
