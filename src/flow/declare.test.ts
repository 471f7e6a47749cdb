import assert from "node:assert/strict";
import { test } from "node:test";
import { rowsOf } from "../batch/index.ts";
import { type RowOf, series } from "../contract/index.ts";
import { count, first, last, literal, max, mean } from "../expression/index.ts";
import { FakeLog, ticks } from "./flow-fixture.ts";
import { atr, createFlow, describeFlow, flow, flowLineage, indicators, macd, sma, sourceRange } from "./index.ts";

const candles = flow(ticks)
  .where((t) => t.volume.gt(0))
  .derive((t) => ({ doubled: t.price.times(2) }))
  .derive((t) => ({ fourfold: t.doubled.times(2) }))
  .window({ every: "1m", hop: "30s", by: "symbol", lateness: "5s" })
  .aggregate((t) => ({ open: first(t.price), high: max(t.fourfold), venue: last(t.venue), ticks: count() }))
  .into("candles_1m", { description: "Candles", units: { high: "EUR4" } });
const signals = indicators(candles, { average: sma({ period: 20, of: "open" }), trend: macd({ of: "open" }) }).into(
  "signals",
);

test("the derived contract follows from the declaration", () => {
  const { into } = candles;
  assert.deepEqual(
    into.layout.map(({ name, type, nullable }) => `${name} ${type}${nullable ? "?" : ""}`),
    ["symbol text", "time instant", "open float?", "high float?", "venue text?", "ticks integer", "revision integer"],
  );
  assert.deepEqual([into.key, into.time, into.identity, into.description], [["symbol"], "time", "keyTime", "Candles"]);
  assert.deepEqual([into.fields.open.unit, into.fields.high.unit], ["EUR", "EUR4"]);
  assert.deepEqual([into.fields.venue.classification, into.fields.open.classification], ["confidential", "internal"]);
  assert.deepEqual(candles.window, { every: 60_000_000, hop: 30_000_000, lateness: 5_000_000, retained: 10_000 });
  assert.deepEqual(JSON.parse(JSON.stringify(candles)), candles);
});

test("rows of derived datasets are typed", () => {
  const candle: RowOf<typeof candles.into.fields> = {
    symbol: "A",
    time: 0,
    open: null,
    high: 1,
    venue: "x",
    ticks: 3,
    revision: 0,
  };
  const signal: Pick<RowOf<typeof signals.into.fields>, "average" | "trend_signal" | "revision"> = {
    average: 1,
    trend_signal: null,
    revision: 0,
  };
  // @ts-expect-error: symbols are text
  const wrong: Pick<RowOf<typeof candles.into.fields>, "symbol"> = { symbol: 1 };
  const absent = () =>
    flow(ticks)
      // @ts-expect-error: there is no such field
      .where((t) => t.nothing.gt(0));
  assert.throws(absent);
  assert.ok(candle && signal && wrong);
});

test("declarations that cannot work are refused", () => {
  const code = { code: "contract_invalid" };
  const window = (given: object) => () =>
    flow(ticks).window({ every: "1m", by: "symbol", ...given } as { every: "1m"; by: "symbol" });
  for (const given of [
    { every: 0 },
    { hop: "7s" },
    { hop: "1us" },
    { lateness: -1 },
    { retained: 0 },
    { by: [] },
    { by: ["symbol", "symbol"] },
    { by: "venue" },
  ]) {
    assert.throws(window(given), code, JSON.stringify(given));
  }
  const whole = flow(ticks).window({ every: "1m", by: "symbol" });
  assert.throws(() => whole.aggregate(() => ({})).into("candles"), code);
  assert.throws(() => whole.aggregate(() => ({ time: count() })).into("candles"), code);
  assert.throws(() => whole.aggregate(() => ({ n: count() })).into("Candles"), code);
  assert.throws(() => whole.aggregate(() => ({ n: count() })).into("candles", { units: { m: "EUR" } }), code);
  assert.throws(() => flow(ticks).derive(() => ({ price: literal(1) })), code);
  assert.throws(() => flow(ticks).derive((t) => ({ jump: t.price.change() })), { code: "expression_type" });
  assert.throws(() => createFlow(candles, { contract: candles.into }), code);
  const shrunk = series("ticks", {
    fields: { symbol: ticks.fields.symbol, time: ticks.fields.time },
    key: ["symbol"],
    time: "time",
  });
  assert.throws(() => createFlow(candles, { contract: shrunk }));
});

test("lineage names the source fields of each field", () => {
  const { fields, filter } = flowLineage(candles);
  assert.deepEqual(filter, ["volume"]);
  assert.deepEqual(
    Object.entries(fields).map(([name, { kind, sources }]) => [name, kind, ...sources]),
    [
      ["symbol", "key", "symbol"],
      ["time", "time"],
      ["open", "aggregate", "price"],
      ["high", "aggregate", "price"],
      ["venue", "aggregate", "venue"],
      ["ticks", "aggregate"],
      ["revision", "revision"],
    ],
  );
  const map = flow(ticks)
    .derive((t) => ({ doubled: t.price.times(2) }))
    .into("doubled_ticks");
  assert.deepEqual(flowLineage(map).fields.doubled!.sources, ["price"]);
  assert.equal(flowLineage(map).fields.volume!.kind, "copied");
  const bands = indicators(
    flow(ticks)
      .window({ every: "1m", by: "symbol" })
      .aggregate((t) => ({ high: max(t.price), low: max(t.price), close: max(t.price) }))
      .into("bars"),
    { range: atr({ period: 3 }) },
  ).into("ranges");
  assert.deepEqual(flowLineage(bands).fields.range!.sources, ["high", "low", "close"]);
});

test("a flow says in words what it does", () => {
  const said = describeFlow(candles);
  for (const part of [
    "candles_1m is derived from ticks.",
    "volume is greater than 0",
    "windows of 1m, one begun every 30s",
    "moved past its end by 5s",
    "fourfold",
  ]) {
    assert.ok(said.includes(part), `${part} in ${said}`);
  }
  assert.ok(describeFlow(signals).includes("sma of open (period 20)"));
});

test("a derived row names the source rows it was made of", () => {
  const row = { symbol: "A", time: 60_000_000 };
  assert.deepEqual(sourceRange(candles, row), {
    dataset: "ticks",
    key: { symbol: "A" },
    from: 60_000_000,
    through: 119_999_999,
    newest: null,
  });
  assert.deepEqual(sourceRange(signals, row), {
    dataset: "candles_1m",
    key: { symbol: "A" },
    from: null,
    through: 60_000_000,
    newest: null,
  });
  const simple = indicators(candles, { average: sma({ period: 20, of: "open" }) }).into("averages");
  assert.equal(sourceRange(simple, row).newest, 20);
});

test("saved state is known by its declaration, and rows of an older contract lack the new fields", () => {
  const wider = series("ticks", {
    fields: { ...ticks.fields, extra: { ...ticks.fields.volume, nullable: true } },
    key: ["symbol"],
    time: "time",
  });
  const spec = flow(wider)
    .window({ every: "1m", by: "symbol" })
    .aggregate((t) => ({ extra: mean(t.extra), ticks: count() }))
    .into("wide");
  const old = createFlow(spec, { contract: wider });
  assert.notEqual(old.version, createFlow(candles, { contract: ticks }).version);
  assert.equal(old.version, createFlow(spec, { contract: wider }).version);
  const rows = [{ symbol: "A", time: 1, price: 1, volume: 1, venue: "x" }];
  const log = new FakeLog(ticks);
  old.apply([log.step({ session: "s", rows }), log.step({ session: "s", event: "ended" })]);
  old.goLive();
  const { batch } = old.takeDrafts()[0]!.changes[0]!;
  assert.deepEqual(rowsOf(old.layout, batch), [{ symbol: "A", time: 0, extra: null, ticks: 1, revision: 0 }]);
});
