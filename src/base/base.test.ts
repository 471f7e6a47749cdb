import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addDecimal,
  type Clock,
  compareDecimal,
  createIdentifiers,
  createScope,
  errorTable,
  fail,
  formatDecimal,
  formatDuration,
  formatInstant,
  messageOf,
  parseDecimal,
  parseDuration,
  parseInstant,
  seededRandom,
  systemTimers,
} from "./index.ts";

test("an instant survives its text form to the microsecond, on both sides of 1970", () => {
  fc.assert(
    fc.property(fc.integer({ min: -6e15, max: 9e15 }), (instant) => parseInstant(formatInstant(instant)) === instant),
  );
});

test("instants with zones, and dates that do not exist", () => {
  assert.equal(parseInstant("2014-05-02T12:30:00Z"), 1_399_033_800_000_000);
  assert.equal(parseInstant("2014-05-02T07:30:00.5-05:00"), 1_399_033_800_500_000);
  assert.equal(parseInstant("2014-05-02 12:30"), 1_399_033_800_000_000);
  for (const text of ["2014-02-30", "2014-13-01", "2014-05-02T24:00:00Z", "noon", "1399033800"]) {
    assert.equal(parseInstant(text), undefined, text);
  }
});

test("a duration survives its text form; nonsense is refused with a typed error", () => {
  fc.assert(fc.property(fc.nat(), (duration) => parseDuration(formatDuration(duration)) === duration));
  assert.equal(parseDuration("1h30m"), 5_400_000_000);
  assert.throws(() => parseDuration("soon"), { code: "duration_invalid" });
});

test("decimals are exact and have one canonical text", () => {
  const decimal = fc
    .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.nat(12))
    .map(([units, scale]) => ({ units, scale }));
  fc.assert(
    fc.property(decimal, decimal, (left, right) => {
      const sum = addDecimal(left, right);
      assert.equal(compareDecimal(parseDecimal(formatDecimal(left)), left), 0);
      assert.equal(compareDecimal(addDecimal(sum, { units: -right.units, scale: right.scale }), left), 0);
      assert.equal(Math.sign(compareDecimal(left, right)), -Math.sign(compareDecimal(right, left)));
    }),
  );
  assert.equal(formatDecimal(parseDecimal("-000.500")), "-0.5");
  assert.equal(formatDecimal(parseDecimal("-0.00")), "0");
  assert.throws(() => parseDecimal("1e5"), { code: "decimal_invalid" });
});

test("identifiers rise even while the clock stands still or goes back, and are UUIDs of version 7", () => {
  let now = 1_700_000_000_000_000;
  const clock: Clock = { now: () => now, monotonicMs: () => 0 };
  const newId = createIdentifiers(clock, seededRandom(1));
  const ids = Array.from({ length: 10_000 }, (_, index) => {
    if (index === 5_000) now -= 3_600_000_000;
    return newId();
  });
  assert.deepEqual(ids, [...ids].sort());
  assert.equal(new Set(ids).size, ids.length);
  assert.match(ids[0]!, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("the seeded generator repeats itself and is spread over the unit interval", () => {
  const draw = (seed: number): number[] => Array.from({ length: 1_000 }, seededRandom(seed).next);
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
  const mean = draw(7).reduce((sum, value) => sum + value) / 1_000;
  assert.ok(Math.abs(mean - 0.5) < 0.05);
});

test("a scope waits for all its tasks, passes on the first failure and stops the others", async () => {
  const scope = createScope();
  let stopped = false;
  scope.run("waits", async (signal) => {
    await systemTimers.delay(60_000, signal).finally(() => {
      stopped = true;
    });
  });
  scope.run("fails", () => Promise.reject(new Error("broken")));
  assert.deepEqual(scope.running(), ["waits", "fails"]);
  await assert.rejects(scope.join(), /broken/);
  assert.ok(stopped);
  assert.deepEqual(scope.running(), []);
});

test("closing a scope is not a failure", async () => {
  const scope = createScope();
  scope.run("waits", (signal) => systemTimers.delay(60_000, signal));
  await scope.close();
});

test("every error template is filled by its details, and no code of the table lacks a message", () => {
  const error = fail("value_too_long", { field: "symbol", limit: 32 });
  assert.equal(error.message, "field 'symbol' is longer than 32 characters");
  assert.equal(messageOf("value_too_long", { field: "symbol" }), "field 'symbol' is longer than {limit} characters");
  for (const [code, spec] of Object.entries(errorTable)) assert.ok(spec.message.length > 5, code);
});
