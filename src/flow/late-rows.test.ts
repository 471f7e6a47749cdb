import assert from "node:assert/strict";
import { test } from "node:test";
import type { Row } from "../batch/index.ts";
import { rowsOf } from "../batch/index.ts";
import { count, last } from "../expression/index.ts";
import { derivedOf, drive, FakeLog, type Step, ticks } from "./flow-fixture.ts";
import { createFlow, flow } from "./index.ts";

const SECOND = 1_000_000;
const at = (second: number, price: number, symbol = "A"): Row => ({
  symbol,
  time: second * SECOND,
  price,
  volume: 1,
  venue: "x",
});
const candles = flow(ticks)
  .window({ every: "1m", by: "symbol", lateness: "5s" })
  .aggregate((t) => ({ close: last(t.price), ticks: count() }))
  .into("candles_1m");
const rows = (session: string, ...given: Row[]): Step => ({ session, rows: given });
const derived = (...steps: Step[]) => derivedOf(drive(candles, ticks, steps), candles);

test("a window closes at the row that moves its session to the end plus lateness, for all keys of the session", () => {
  const before = derived(rows("s", at(10, 1), at(20, 2, "B"), at(64.999999, 3)));
  assert.deepEqual(before.appended, []);
  const after = derived(rows("s", at(10, 1), at(20, 2, "B"), at(65, 3)));
  assert.deepEqual(after.appended, [
    { symbol: "A", time: 0, close: 1, ticks: 1, revision: 0 },
    { symbol: "B", time: 0, close: 2, ticks: 1, revision: 0 },
  ]);
});

test("a row within lateness belongs to the window, a later one corrects it at once and says what it replaced", () => {
  const result = derived(rows("s", at(10, 1), at(64, 2), at(20, 3), at(65, 4), at(30, 5)));
  assert.deepEqual(result.appended, [{ symbol: "A", time: 0, close: 3, ticks: 2, revision: 0 }]);
  assert.deepEqual(result.corrected, [{ symbol: "A", time: 0, close: 5, ticks: 3, revision: 1 }]);
  assert.deepEqual(result.corrections, [{ reason: "late_row", sourceRow: 4, replaced: ["A", 0, 3, 2, 0] }]);
});

test("rows that a filter keeps out still move the watermark", () => {
  const busy = flow(ticks)
    .where((t) => t.price.gt(0))
    .window({ every: "1m", by: "symbol" })
    .aggregate(() => ({ ticks: count() }))
    .into("busy");
  const log = drive(busy, ticks, [rows("s", at(10, 1), at(60, -1))]);
  assert.equal(derivedOf(log, busy).appended.length, 1);
});

test("a session that did not contribute does not close a window", () => {
  assert.deepEqual(derived(rows("one", at(10, 1)), rows("two", at(300, 2, "B"))).appended, []);
});

test("rows of a slower session are gathered into one correction, made once any session moves on past the window", () => {
  const closed = rows("live", at(10, 1), at(70, 2));
  const behind = rows("history", at(11, 3), at(12, 4));
  assert.deepEqual(derived(closed, behind).corrected, []);
  const own = derived(closed, behind, rows("history", at(65, 5)));
  assert.deepEqual(own.corrected, [{ symbol: "A", time: 0, close: 4, ticks: 3, revision: 1 }]);
  assert.equal(own.corrections[0]!.sourceRow, 2);
  assert.deepEqual(derived(closed, behind, rows("live", at(71, 6))).corrected, own.corrected);
  for (const event of ["idle", "ended"] as const) {
    assert.deepEqual(derived(closed, behind, { session: "history", event }).corrected, own.corrected);
  }
});

test("the end of a session closes its windows unless another session still contributes to them", () => {
  const ended = { session: "one", event: "ended" } as const;
  assert.equal(derived(rows("one", at(10, 1)), ended).appended.length, 1);
  const shared = [rows("one", at(10, 1)), rows("two", at(11, 2)), ended];
  assert.deepEqual(derived(...shared).appended, []);
  assert.equal(derived(...shared, { session: "two", event: "ended" }).appended[0]!.ticks, 2);
});

test("a stated watermark closes windows up to it without lateness; falling idle alone does not", () => {
  const open = rows("s", at(10, 1));
  const idle = { session: "s", event: "idle" } as const;
  assert.deepEqual(derived(open, idle).appended, []);
  assert.deepEqual(derived(open, { ...idle, watermark: 59 * SECOND }).appended, []);
  assert.equal(derived(open, { ...idle, watermark: 60 * SECOND }).appended.length, 1);
});

test("rows judged again are a session that is over with their commit", () => {
  const result = derived(rows("s", at(10, 1), at(70, 2)), { retry: [at(11, 3), at(12, 4), at(300, 5)] });
  assert.deepEqual(result.corrected, [{ symbol: "A", time: 0, close: 4, ticks: 3, revision: 1 }]);
  assert.deepEqual(
    result.appended.map(({ time }) => Number(time) / SECOND),
    [0, 300],
  );
});

test("a late row that changes nothing makes no correction", () => {
  const lasts = flow(ticks)
    .window({ every: "1m", by: "symbol" })
    .aggregate((t) => ({ close: last(t.price) }))
    .into("lasts");
  const result = derivedOf(drive(lasts, ticks, [rows("s", at(10, 1), at(60, 2), at(5, 9), at(11, 3))]), lasts);
  assert.deepEqual(result.corrected, [{ symbol: "A", time: 0, close: 3, revision: 1 }]);
});

test("rows for windows that are not kept any more are recorded, never worked into a second window", () => {
  const short = flow(ticks)
    .window({ every: "1m", by: "symbol", retained: 2 })
    .aggregate(() => ({ ticks: count() }))
    .into("short");
  const log = drive(short, ticks, [
    rows("s", at(10, 1), at(60, 1), at(180, 1), at(240, 1)),
    rows("s", at(11, 2), at(61, 2), at(125, 2)),
  ]);
  const result = derivedOf(log, short);
  assert.deepEqual(result.leftOut, [{ reason: "beyond_retention", sourceRow: 4 }]);
  assert.deepEqual(
    result.corrected.map(({ time }) => Number(time) / SECOND),
    [60],
  );
  assert.deepEqual(
    result.appended.map(({ time }) => Number(time) / SECOND),
    [0, 60, 180, 120],
    "a window that never was is begun however late its first row",
  );
});

test("provisional rows are those of open windows, or of those changed since the last time", () => {
  const running = createFlow(candles, { contract: ticks });
  const log = new FakeLog(ticks);
  const provisional = (onlyChanged: boolean) => rowsOf(running.layout, running.provisional(onlyChanged));
  running.apply([log.step(rows("s", at(1, 1), at(2, 2, "B")))]);
  assert.equal(running.openWindows, 2);
  assert.deepEqual(provisional(true), [
    { symbol: "A", time: 0, close: 1, ticks: 1, revision: 0 },
    { symbol: "B", time: 0, close: 2, ticks: 1, revision: 0 },
  ]);
  assert.deepEqual(provisional(true), []);
  running.apply([log.step(rows("s", at(3, 3, "B")))]);
  assert.deepEqual(provisional(true), [{ symbol: "B", time: 0, close: 3, ticks: 2, revision: 0 }]);
  assert.equal(provisional(false).length, 2);
  running.apply([log.step(rows("s", at(100, 4, "B"))), log.step(rows("late", at(4, 5)))]);
  assert.deepEqual(provisional(true), [
    { symbol: "B", time: 60 * SECOND, close: 4, ticks: 1, revision: 0 },
    { symbol: "A", time: 0, close: 5, ticks: 2, revision: 1 },
  ]);
});

test("drafts are given once, and again only when told that they failed; nothing before the replay is over", () => {
  const running = createFlow(candles, { contract: ticks });
  const log = new FakeLog(ticks);
  running.apply([log.step(rows("s", at(10, 1), at(65, 2)))]);
  assert.deepEqual(running.takeDrafts(), []);
  running.goLive();
  const [draft] = running.takeDrafts();
  assert.equal(draft!.changes[0]!.batch.count, 1);
  assert.deepEqual(running.takeDrafts(), []);
  running.apply([log.step(rows("s", at(130, 3)))]);
  const [second] = running.takeDrafts();
  assert.deepEqual(
    [draft!.cause, second!.cause].map((cause) => cause.kind === "flow" && [cause.after, cause.through]),
    [
      [0, 1],
      [1, 2],
    ],
  );
  running.retake();
  const [both] = running.takeDrafts();
  assert.equal(both!.changes[0]!.batch.count, 2);
  running.apply([log.append(both!)]);
  running.retake();
  assert.deepEqual(running.takeDrafts(), []);
  assert.equal(running.through, 2);
  assert.equal(running.figures().waitingRows, 0);
});
