import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outlet } from "./outlet.ts";
import { Reading } from "./reading.ts";

function parts() {
  const calls: string[] = [];
  const waiting: (() => void)[] = [];
  const outlet = { bytes: 0, bufferedBytes: () => outlet.bytes, onceDrained: (call: () => void) => waiting.push(call) };
  const socket = {
    pause: () => void calls.push("pause"),
    resume: () => void calls.push("resume"),
    terminate: () => void calls.push("terminate"),
  };
  const drain = (): void => {
    outlet.bytes = 0;
    for (const call of waiting.splice(0)) call();
  };
  return { calls, outlet, drain, reading: new Reading(socket, outlet as unknown as Outlet) };
}
const MEBIBYTE = 1024 * 1024;

test("a connection is read on only when no reason speaks against it", () => {
  const { calls, outlet, drain, reading } = parts();
  reading.answered();
  assert.equal(calls.length, 0);
  outlet.bytes = 17 * MEBIBYTE;
  reading.answered();
  reading.answered();
  reading.hold(true);
  assert.ok(!calls.includes("resume"));
  drain();
  assert.ok(!calls.includes("resume"));
  reading.hold(false);
  assert.equal(calls.at(-1), "resume");
});

test("what waits is bounded even where questions came before the reading stopped", () => {
  const { calls, outlet, reading } = parts();
  outlet.bytes = 65 * MEBIBYTE;
  reading.answered();
  assert.deepEqual(calls, ["terminate"]);
});
