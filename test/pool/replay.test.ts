/**
 * What follows from the log is the same however it is made: ticks in other batches and another order, views and folds
 * made anew, views and folds that are damaged. And a log that was changed or cut behind the pool's back is found out.
 */
import assert from "node:assert/strict";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { it, type TestContext } from "node:test";
import { market } from "../../pools/market/index.ts";
import {
  createEnvironment,
  type Logger,
  MillpondError,
  type Random,
  seededRandom,
  systemTimers,
} from "../../src/base/index.ts";
import type { Row } from "../../src/batch/index.ts";
import { openPool, type Pool, type PoolOptions } from "../../src/pool/index.ts";
import { candleOf, candlesOf, type StoredTick } from "../support/candles.ts";
import { eventually, runs, temporaryFolder } from "../support/folder.ts";
import { startOfDay } from "../support/quotes.ts";
import { allRows } from "../support/rows.ts";

const SECOND = 1_000_000;
const symbols = ["AAA", "BBB", "CCC"];

interface Tick {
  readonly symbol: string;
  readonly time: number;
  readonly bid: number;
  readonly ask: number;
  readonly volume: number;
}

/** Half an hour of ticks with times of their own, and one far ahead that closes every window. */
function dayOf(random: Random, count: number): Tick[] {
  const ticks = Array.from({ length: count }, (_, index): Tick => {
    const bid = 1 + Math.floor(random.next() * 2000) / 100_000;
    const time = startOfDay + Math.floor((index / count) * 1800 * SECOND) + index;
    return { symbol: symbols[index % 3]!, time, bid, ask: bid + 0.0002, volume: index % 7 };
  });
  return ticks;
}
const closing = (time: number): Tick[] =>
  symbols.map((symbol, place) => ({ symbol, time: time + place, bid: 1, ask: 1, volume: 0 }));

/** An order in which no row is later than the gate allows. */
function shuffled(random: Random, ticks: readonly Tick[]): Tick[] {
  return ticks
    .map((tick) => ({ tick, at: tick.time + random.next() * 55 * SECOND }))
    .sort((one, two) => one.at - two.at)
    .map(({ tick }) => tick);
}

interface Opened {
  readonly pool: Pool;
  readonly events: string[];
}

async function open(folder: string, more: Partial<PoolOptions> = {}): Promise<Opened> {
  const events: string[] = [];
  const logger: Logger = {
    log: (_level, event, details) => void events.push(`${event} ${JSON.stringify(details)}`),
    with: () => logger,
  };
  return { pool: await openPool(market, { folder, environment: createEnvironment({ logger }), ...more }), events };
}
async function using<Result>({ pool }: Opened, use: (pool: Pool) => Promise<Result>): Promise<Result> {
  try {
    return await use(pool);
  } finally {
    await pool.close();
  }
}

async function submit(pool: Pool, session: string, batch: number, rows: readonly Tick[]): Promise<void> {
  const { account } = await pool.submit({
    ...{ dataset: "ticks", feed: "api", session, batch, actor: "user:test" },
    incoming: { kind: "rows", rows },
  });
  assert.equal(account.accepted, rows.length, JSON.stringify(account));
}

/** Sends ticks in batches of chance sizes over some sessions, and a closing tick for each symbol and session. */
async function deliver(pool: Pool, random: Random, ticks: readonly Tick[], sessions: number, most: number) {
  const numbers = Array.from({ length: sessions }, () => 0);
  const send = (session: number, rows: readonly Tick[]): Promise<void> => {
    numbers[session]! += 1;
    return submit(pool, `session-${session}`, numbers[session]!, rows);
  };
  for (let from = 0; from < ticks.length; ) {
    const count = 1 + Math.floor(random.next() * most);
    await send(Math.floor(random.next() * sessions), ticks.slice(from, from + count));
    from += count;
  }
  for (let session = 0; session < sessions; session++) {
    await send(session, closing(startOfDay + 3600 * SECOND + session * 10));
  }
  await settled(pool);
}

/** The flows have derived everything: the log has stood still. */
async function settled(pool: Pool): Promise<void> {
  let head = -1;
  await eventually("a log that stands still", async () => {
    const before = head;
    head = pool.door.head();
    await systemTimers.delay(60);
    return head === before && head === pool.door.head();
  });
}

const byKey = (rows: readonly Row[]): Map<string, unknown> =>
  new Map(
    rows
      .map(({ _position, _place, revision, ...row }) => [`${row.symbol} ${row.time}`, row] as const)
      .sort(([one], [two]) => (one < two ? -1 : 1)),
  );

/** Everything a reader may ask for. */
async function answers(pool: Pool): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const dataset of ["ticks", "candles_1m", "indicators_1m", "_quarantine"]) {
    found[dataset] = await allRows(pool, dataset);
  }
  found.latest = symbols.map((symbol) => [pool.latest("ticks", symbol), pool.latest("candles_1m", symbol)]);
  found.accounts = pool.door.accounts();
  found.lastBatch = pool.door.lastBatch("api", "session-0");
  return found;
}

it("derives the same from the same ticks in other batches and another order", async (test) => {
  const random = seededRandom(7);
  const ticks = dayOf(random, 2_000);
  const variants = [
    { sessions: 1, most: 400, order: (rows: Tick[]) => rows },
    ...Array.from({ length: runs(3) }, (_, run) => ({
      sessions: 1 + (run % 2),
      most: [40, 300, 900][run % 3]!,
      order: (rows: Tick[]) => shuffled(random, rows),
    })),
  ];
  let expected: { candles: Map<string, unknown>; indicators: Map<string, unknown> } | undefined;
  for (const [place, { sessions, most, order }] of variants.entries()) {
    const opened = await open(await temporaryFolder(test, "shuffle"));
    await using(opened, async (pool) => {
      await deliver(pool, random, order(ticks), sessions, most);
      const all = await allRows(pool, "ticks");
      const candles = await allRows(pool, "candles_1m");
      const naive = candlesOf(all as unknown as StoredTick[]).filter(({ time }) => time < startOfDay + 3600 * SECOND);
      const plain = candles.map((candle) => candleOf(candle as unknown as Parameters<typeof candleOf>[0]));
      assert.deepEqual(
        byKey(plain as unknown as Row[]),
        byKey(naive as unknown as Row[]),
        `variant ${place}: plain candles`,
      );
      const found = { candles: byKey(candles), indicators: byKey(await allRows(pool, "indicators_1m")) };
      expected ??= found;
      assert.deepEqual(found.candles, expected.candles, `variant ${place}: candles`);
      assert.deepEqual(found.indicators, expected.indicators, `variant ${place}: indicators`);
      assert.ok(found.indicators.size >= 90, `${found.indicators.size} indicator rows`);
      assert.ok((await pool.verify()).ok);
    });
  }
});

/** A closed pool with more commits than are recomputed at every start. */
async function filled(test: TestContext): Promise<{ folder: string; before: Record<string, unknown>; head: number }> {
  const folder = await temporaryFolder(test, "replay");
  const random = seededRandom(11);
  return using(await open(folder), async (pool) => {
    await deliver(pool, random, shuffled(random, dayOf(random, 900)), 1, 12);
    return { folder, before: await answers(pool), head: pool.door.head() };
  });
}
async function copyOf(test: TestContext, folder: string): Promise<string> {
  const copy = await temporaryFolder(test, "replay-copy");
  await cp(folder, copy, { recursive: true });
  return copy;
}

it("makes views and folds anew from the log, and believes no damaged one", async (test) => {
  const { folder, before } = await filled(test);
  const reopened = async (what: string, damage: (copy: string) => Promise<void>): Promise<string[]> => {
    const copy = await copyOf(test, folder);
    await damage(copy);
    const opened = await open(copy);
    await using(opened, async (pool) => {
      assert.deepEqual(await answers(pool), before, what);
      assert.ok((await pool.verify()).ok, what);
    });
    return opened.events;
  };
  const snapshots = await readdir(path.join(folder, "snapshots"));
  assert.ok(snapshots.length >= 4, snapshots.join());

  const untouched = await reopened("nothing is missing", async () => {});
  assert.ok(!untouched.some((event) => event.startsWith("fold_replayed")), "snapshots are used where they fit");
  await reopened("snapshots are gone", (copy) => rm(path.join(copy, "snapshots"), { recursive: true }));
  await reopened("the series is gone", (copy) => rm(path.join(copy, "series.duckdb")));
  await reopened("both are gone", async (copy) => {
    await rm(path.join(copy, "snapshots"), { recursive: true });
    await rm(path.join(copy, "series.duckdb"));
  });
  const random = seededRandom(13);
  const flipped = await reopened("every snapshot is damaged", async (copy) => {
    for (const name of snapshots) await damageFile(path.join(copy, "snapshots", name), random);
  });
  assert.equal(flipped.filter((event) => event.startsWith("fold_replayed")).length, snapshots.length);
  const dropped = await reopened("the series is garbage", (copy) =>
    writeFile(path.join(copy, "series.duckdb"), random.bytes(20_000)),
  );
  assert.ok(dropped.some((event) => event.startsWith("view_dropped")));
  await reopened("the series is cut", async (copy) => {
    const file = path.join(copy, "series.duckdb");
    await writeFile(file, (await readFile(file)).subarray(0, 9_000));
  });
});

/** One bit, anywhere. */
async function damageFile(file: string, random: Random): Promise<void> {
  const bytes = await readFile(file);
  bytes[Math.floor(random.next() * bytes.length)]! ^= 1 << Math.floor(random.next() * 8);
  await writeFile(file, bytes);
}

/** Changes the log of a closed pool. */
function editLog(folder: string, edit: (log: DatabaseSync) => void): void {
  const log = new DatabaseSync(path.join(folder, "log.db"));
  edit(log);
  log.close();
}

it("names the commit that was changed behind its back", async (test) => {
  const { folder, head } = await filled(test);
  const random = seededRandom(17);
  assert.ok(head > 90, `${head} commits`);
  const flip = (bytes: Uint8Array, at: number): Uint8Array => {
    bytes[at]! ^= 1 << Math.floor(random.next() * 8);
    return bytes;
  };
  const somewhere = (bytes: Uint8Array) => flip(bytes, Math.floor(random.next() * bytes.length));
  const edits: [string, (log: DatabaseSync, position: number) => void][] = [];
  for (const column of ["payload", "header", "hash"]) {
    edits.push([
      column,
      (log, position) => {
        const row = log.prepare(`SELECT ${column} AS bytes FROM commits WHERE position = ?`).get(position);
        const changed = somewhere(row!.bytes as Uint8Array);
        log.prepare(`UPDATE commits SET ${column} = ? WHERE position = ?`).run(changed, position);
      },
    ]);
  }
  edits.push([
    "instant",
    (log, position) => log.prepare("UPDATE commits SET at = at + 1 WHERE position = ?").run(position),
  ]);
  edits.push([
    "middle removed",
    (log, position) => log.prepare("DELETE FROM commits WHERE position = ?").run(position),
  ]);
  edits.push([
    "two swapped",
    (log, position) => {
      log.prepare("UPDATE commits SET position = -1 WHERE position = ?").run(position);
      log.prepare("UPDATE commits SET position = ? WHERE position = ?").run(position, position + 1);
      log.prepare("UPDATE commits SET position = ? WHERE position = -1").run(position + 1);
    },
  ]);
  for (let run = 0; run < runs(1); run++) {
    for (const [what, edit] of edits) {
      const copy = await copyOf(test, folder);
      const position = 6 + Math.floor(random.next() * (head - 75));
      editLog(copy, (log) => edit(log, position));
      await using(await open(copy), async (pool) => {
        const report = await pool.verify();
        assert.equal(report.ok, false, `${what} at ${position}`);
        const fault = report.log.fault;
        assert.ok(fault, `${what} at ${position}: ${JSON.stringify(report.log)}`);
        assert.equal(fault.position, position, `${what}: ${fault.problem}`);
      });
    }
  }
});

it("notices at the start that acknowledged commits are gone from the end", async (test) => {
  const { folder, head } = await filled(test);
  for (const lost of [1, 3, head]) {
    const copy = await copyOf(test, folder);
    editLog(copy, (log) => log.prepare("DELETE FROM commits WHERE position > ?").run(head - lost));
    await assert.rejects(open(copy), (error) => {
      assert.ok(error instanceof MillpondError);
      assert.equal(error.code, "log_tail_lost");
      assert.deepEqual([error.details.head, error.details.mark], [head - lost, head]);
      return true;
    });
    if (lost === head) continue;
    await using(await open(copy, { acceptLoss: true }), async (pool) => {
      await submit(pool, "after", 1, closing(startOfDay + 7200 * SECOND));
      await settled(pool);
      const { ok, log } = await pool.verify();
      assert.ok(ok, JSON.stringify(log));
      const commits = await pool.door.read(head - lost, { commits: 1 });
      assert.deepEqual(commits[0]!.cause, { kind: "loss", head: head - lost, acknowledged: head });
    });
  }
});
