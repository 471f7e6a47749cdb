import assert from "node:assert/strict";
import { test } from "node:test";
import { Sessions } from "./sessions.ts";

test("sessions are bounded: the longest silent one without open windows is forgotten first", () => {
  const sessions = new Sessions();
  const held = sessions.heard("held", () => false);
  const quiet = sessions.heard("quiet", () => false);
  const busy = sessions.heard("busy", () => false);
  for (let number = 3; number < 10_000; number++) sessions.heard(`s${number}`, () => false);
  assert.equal(
    sessions.heard("busy", () => false),
    busy,
  );
  for (let number = 0; number < 5; number++) sessions.heard(`t${number}`, (id) => id === held.id);
  assert.equal(sessions.named("quiet"), undefined);
  assert.equal(sessions.of(quiet.id), undefined);
  assert.equal(sessions.named("held"), held);
  assert.equal(sessions.named("busy"), busy);
  const copy = new Sessions();
  copy.load(structuredClone(sessions.save()));
  assert.deepEqual(copy.save(), sessions.save());
  assert.ok(copy.heard("new", () => false).id > 10_000);
});
