import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatInstant, parseInstant } from "../base/index.ts";
import { createZone } from "./index.ts";

const runs = Number(process.env.MILLPOND_RUNS ?? 200);
const local = (text: string): number => parseInstant(`${text}Z`)!;
const utc = (zone: string, text: string): string => formatInstant(createZone(zone).toInstant(local(text)));

test("fixed offsets, names, and names with a shift", () => {
  assert.equal(utc("+02:00", "2026-01-05T00:30:00"), "2026-01-04T22:30:00.000Z");
  assert.equal(utc("-05:00", "2014-05-02T07:30:00.123"), "2014-05-02T12:30:00.123Z");
  assert.equal(utc("Europe/Athens", "2026-07-01T12:00:00"), "2026-07-01T09:00:00.000Z");
  assert.equal(utc("Europe/Athens", "2026-01-01T12:00:00"), "2026-01-01T10:00:00.000Z");
  // Between the changes of the United States and of Europe, the two kinds of broker differ.
  assert.equal(utc("America/New_York+07:00", "2026-03-16T12:00:00"), "2026-03-16T09:00:00.000Z");
  assert.equal(utc("Europe/Athens", "2026-03-16T12:00:00"), "2026-03-16T10:00:00.000Z");
});

test("a time that occurs twice is the first one, a time that never occurs lies behind the change", () => {
  assert.equal(utc("Europe/Berlin", "2026-10-25T02:30:00"), "2026-10-25T00:30:00.000Z");
  assert.equal(utc("Europe/Berlin", "2026-10-25T03:00:00"), "2026-10-25T02:00:00.000Z");
  assert.equal(utc("Europe/Berlin", "2026-03-29T01:59:59.999"), "2026-03-29T00:59:59.999Z");
  assert.equal(utc("Europe/Berlin", "2026-03-29T02:30:00"), "2026-03-29T01:30:00.000Z");
  assert.equal(utc("Europe/Berlin", "2026-03-29T03:00:00"), "2026-03-29T01:00:00.000Z");
});

test("what is no zone is refused", () => {
  for (const zone of ["", "Mars/Base", "+25:00", "+2", "x".repeat(100)])
    assert.throws(() => createZone(zone), { code: "time_zone_unknown" });
});

test("local and back gives the same local time, except within a gap", () => {
  const names = ["UTC", "+05:45", "Europe/Athens", "America/New_York", "America/New_York+07:00", "Australia/Lord_Howe"];
  const zones = names.map(createZone);
  const micros = fc.integer({ min: local("1995-01-01T00:00:00") / 1e6, max: local("2035-01-01T00:00:00") / 1e6 });
  fc.assert(
    fc.property(fc.constantFrom(...zones), micros, (zone, seconds) => {
      const wall = zone.toLocal(seconds * 1e6);
      assert.equal(zone.toLocal(zone.toInstant(wall)), wall);
    }),
    { numRuns: runs },
  );
});
