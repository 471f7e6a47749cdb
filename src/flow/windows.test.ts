import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Row } from "../batch/index.ts";
import { count, first, last, max, mean, min, standardDeviation, sum, weightedMean } from "../expression/index.ts";
import { type Derived, derivedOf, drive, finalState, propertyRuns, type Step, ticks } from "./flow-fixture.ts";
import { createFlow, flow } from "./index.ts";

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;

const declared = flow(ticks)
  .where((t) => t.volume.lt(90))
  .derive((t) => ({ doubled: t.price.times(2) }));
const aggregated = {
  tumbling: declared.window({ every: "1m", by: "symbol", lateness: "5s" }),
  hopping: declared.window({ every: "1m", hop: "20s", by: "symbol", lateness: "5s" }),
};
const specOf = (window: typeof aggregated.tumbling, name: string) =>
  window
    .aggregate((t) => ({
      open: first(t.price),
      high: max(t.price),
      low: min(t.price),
      close: last(t.doubled),
      venue: last(t.venue),
      least_venue: min(t.venue),
      total: sum(t.price),
      average: mean(t.price),
      weighted: weightedMean(t.price, t.volume),
      deviation: standardDeviation(t.price),
      priced: count(t.price),
      ticks: count(),
    }))
    .into(name);
const tumbling = specOf(aggregated.tumbling, "candles_1m");
const hopping = specOf(aggregated.hopping, "candles_hop");

/** Multiples of 1/64, so that plain sums are exact. */
const rowArbitrary = fc.record({
  symbol: fc.constantFrom("EURUSD", "EURUSD", "USDJPY"),
  time: fc.integer({ min: -MINUTE, max: 3 * MINUTE }),
  price: fc.option(
    fc.integer({ min: -9_999, max: 9_999 }).map((units) => units / 64),
    { freq: 6 },
  ),
  volume: fc.integer({ min: 0, max: 100 }),
  venue: fc.constantFrom("a", "b", "\u{1F600}", "\uFF5E"),
});

type Event =
  | { readonly session: string; readonly row: Row }
  | { readonly session: string; readonly event: "idle" | "ended"; readonly watermark?: number };

/** Mostly in order, with late rows, events between, and a second session that keeps up, lags or comes afterwards. */
const eventsArbitrary = fc
  .tuple(
    fc.array(
      fc.record({
        row: rowArbitrary,
        session: fc.constantFrom("one", "one", "two"),
        delay: fc.oneof({ weight: 3, arbitrary: fc.nat(3 * SECOND) }, { weight: 1, arbitrary: fc.nat(4 * MINUTE) }),
        event: fc.option(
          fc.record({
            event: fc.constantFrom("idle" as const, "ended" as const),
            watermark: fc.option(fc.nat(3 * MINUTE)),
          }),
          { freq: 20 },
        ),
      }),
      { maxLength: 60, size: "large" },
    ),
    fc.constantFrom(0, 2 * MINUTE, 20 * MINUTE),
  )
  .map(([given, lag]) => {
    const arrival = ({ row, delay, session }: (typeof given)[number]): number =>
      row.time + delay + (session === "two" ? lag : 0);
    const events: Event[] = given
      .toSorted((one, two) => arrival(one) - arrival(two))
      .flatMap(({ row, session, event }): Event[] => [
        { session, row },
        ...(event === null
          ? []
          : [{ session, event: event.event, ...(event.watermark === null ? {} : { watermark: event.watermark }) }]),
      ]);
    return [...events, { session: "one", event: "ended" as const }, { session: "two", event: "ended" as const }];
  });

const sizesArbitrary = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });

/** Consecutive rows of one session become commits of the given sizes. */
function batched(events: readonly Event[], sizes: readonly number[]): Step[] {
  const steps: Step[] = [];
  let rows: Row[] = [];
  let turn = 0;
  events.forEach((event, index) => {
    if (!("row" in event)) {
      steps.push(event);
      return;
    }
    rows.push(event.row);
    const next = events[index + 1];
    const goesOn = next !== undefined && "row" in next && next.session === event.session;
    if (goesOn && rows.length < sizes[turn % sizes.length]!) return;
    turn += 1;
    steps.push({ session: event.session, rows });
    rows = [];
  });
  return steps;
}

const withoutCauses = ({ causes: _, ...rest }: Derived) => rest;

function naive(events: readonly Event[], every: number, hop: number): Map<string, Row> {
  const windows = new Map<string, Row[]>();
  for (const event of events) {
    if (!("row" in event) || Number(event.row.volume) >= 90) continue;
    const time = Number(event.row.time);
    for (let start = Math.floor(time / hop) * hop; start > time - every; start -= hop) {
      const name = JSON.stringify([[event.row.symbol], start]);
      windows.set(name, [...(windows.get(name) ?? []), event.row]);
    }
  }
  const rows = [...windows].map(([name, members]): [string, Row] => {
    const ordered = members.toSorted((one, two) => Number(one.time) - Number(two.time));
    const [[symbol], time] = JSON.parse(name) as [[string], number];
    return [name, { symbol, time, ...naiveAggregates(ordered) }];
  });
  return new Map(rows.sort(([one], [two]) => (one < two ? -1 : 1)));
}

function naiveAggregates(ordered: readonly Row[]): Row {
  const priced = ordered.filter((row) => row.price !== null);
  const prices = priced.map((row) => Number(row.price));
  const add = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const orNull = (value: number): number | null => (prices.length === 0 || Number.isNaN(value) ? null : value + 0);
  const volumes = add(priced.map((row) => Number(row.volume)));
  const products = add(priced.map((row) => Number(row.price) * Number(row.volume)));
  const squares = prices.length * add(prices.map((price) => price * price)) - add(prices) ** 2;
  const venues = ordered.map((row) => String(row.venue));
  const order = ["a", "b", "\uFF5E", "\u{1F600}"];
  return {
    open: prices[0] ?? null,
    high: orNull(Math.max(...prices)),
    low: orNull(Math.min(...prices)),
    close: prices.length === 0 ? null : prices.at(-1)! * 2,
    venue: venues.at(-1)!,
    least_venue: order.find((venue) => venues.includes(venue))!,
    total: orNull(add(prices)),
    average: orNull(add(prices) / prices.length),
    weighted: volumes === 0 ? null : orNull(products / volumes),
    deviation: orNull(Math.sqrt(squares) / prices.length),
    priced: prices.length,
    ticks: ordered.length,
  };
}

const withoutRevision = (state: Map<string, Row>): Map<string, Row> =>
  new Map([...state].map(([name, { revision: _, ...row }]) => [name, row]));

test("derived rows and corrections do not depend on how rows were batched or runs grouped", () => {
  fc.assert(
    fc.property(eventsArbitrary, sizesArbitrary, sizesArbitrary, sizesArbitrary, (events, one, two, runs) => {
      for (const spec of [tumbling, hopping]) {
        const single = derivedOf(drive(spec, ticks, batched(events, [1])), spec);
        const other = derivedOf(drive(spec, ticks, batched(events, one), { runs }), spec);
        const third = derivedOf(drive(spec, ticks, batched(events, two)), spec);
        assert.deepEqual(withoutCauses(other), withoutCauses(single));
        assert.deepEqual(withoutCauses(third), withoutCauses(single));
      }
    }),
    { numRuns: propertyRuns },
  );
});

test("the newest revisions equal a plain computation over all rows, whatever the order of arrival", () => {
  fc.assert(
    fc.property(eventsArbitrary, sizesArbitrary, fc.boolean(), (events, sizes, shuffle) => {
      // Of equal times the order of arrival decides, so the shuffled rows are the ones both sides see.
      const rows = events.filter((event) => "row" in event);
      const mixed = rows.toSorted((one, two) => Number(one.row.volume) - Number(two.row.volume));
      const given = shuffle ? [...mixed, ...events.filter((event) => !("row" in event))] : events;
      for (const [spec, hop] of [
        [tumbling, MINUTE],
        [hopping, 20 * SECOND],
      ] as const) {
        const derived = derivedOf(drive(spec, ticks, batched(given, sizes)), spec);
        assert.deepEqual(withoutRevision(finalState(derived, spec.into)), naive(given, MINUTE, hop));
        assert.equal(derived.leftOut.length, 0);
      }
    }),
    { numRuns: propertyRuns },
  );
});

test("after a crash anywhere the derived log has no repeat and no hole", () => {
  const crashesArbitrary = fc.array(fc.tuple(fc.nat(70), fc.constantFrom("lost" as const, "written" as const)), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(
      eventsArbitrary,
      sizesArbitrary,
      crashesArbitrary,
      fc.integer({ min: 1, max: 9 }),
      (events, sizes, crashes, saveEvery) => {
        for (const spec of [tumbling, hopping]) {
          const steps = batched(events, sizes);
          const calm = derivedOf(drive(spec, ticks, steps), spec);
          const log = drive(spec, ticks, steps, { crashes: new Map(crashes), saveEvery, runs: sizes });
          const stormy = derivedOf(log, spec);
          assert.deepEqual(withoutCauses(stormy), withoutCauses(calm));
          let through = 0;
          for (const cause of stormy.causes) {
            assert.equal(cause.after, through);
            assert.ok(cause.through > cause.after);
            through = cause.through;
          }
        }
      },
    ),
    { numRuns: propertyRuns },
  );
});

test("a loaded state is the saved one and goes on like it", () => {
  fc.assert(
    fc.property(eventsArbitrary, fc.nat(60), (events, cut) => {
      const steps = batched(events, [3]);
      const log = drive(hopping, ticks, steps);
      const whole = createFlow(hopping, { contract: ticks });
      whole.apply(log.commits.slice(0, cut));
      const loaded = createFlow(hopping, { contract: ticks });
      loaded.load(structuredClone(whole.save()));
      assert.deepEqual(loaded.save(), whole.save());
      assert.deepEqual(loaded.provisional(false), whole.provisional(false));
      whole.apply(log.commits.slice(cut));
      loaded.apply(log.commits.slice(cut));
      assert.deepEqual(loaded.save(), whole.save());
      loaded.reset();
      assert.deepEqual(loaded.save(), createFlow(hopping, { contract: ticks }).save());
    }),
    { numRuns: propertyRuns },
  );
});
