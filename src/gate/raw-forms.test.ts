import assert from "node:assert/strict";
import { test } from "node:test";
import { rowsOf } from "../batch/index.ts";
import { float, instant, rawContract, series, text } from "../contract/index.ts";
import { quarantineIds } from "./index.ts";
import { MemorySources } from "./testing.ts";

const quotes = series("quotes", {
  fields: { symbol: text(), time: instant(), bid: float() },
  key: ["symbol"],
  time: "time",
  keepRaw: true,
});

test("a contract that keeps raw forms has those of accepted rows in the same commit, by received place", async () => {
  const sources = new MemorySources(quotes);
  const text = '[{"symbol":"A","time":1,"bid":1.50},{"symbol":2},{"symbol":"B","time":2,"bid":2}]';
  const submission = { dataset: "quotes", feed: "api", session: "s", batch: 1, actor: "user:ann" };
  await sources.gate().submit({ ...submission, incoming: { kind: "json", text } });
  const changes = sources.commits[0]!.changes;
  const kept = changes.find(({ dataset }) => dataset === rawContract.name)!;
  const idOf = quarantineIds("api", "s", 1);
  assert.deepEqual(
    rowsOf(rawContract.layout, kept.batch).map(({ id, raw }) => [id, raw]),
    [
      [idOf(0), '{"symbol":"A","time":1,"bid":1.50}'],
      [idOf(2), '{"symbol":"B","time":2,"bid":2}'],
    ],
  );
});
