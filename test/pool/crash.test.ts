/**
 * A pool killed again and again while four programs write to it and one follows it: every acknowledged row is there,
 * none twice, whatever has no acknowledgement is sent again and stored once, views and flows come out as if nothing had
 * happened, and the follower has seen every row once, in order. MILLPOND_RUNS sets how often it is killed.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { type Client, connect } from "../../client/node.ts";
import { market } from "../../pools/market/index.ts";
import { createEnvironment, seededRandom, systemTimers } from "../../src/base/index.ts";
import { openPool, type Pool } from "../../src/pool/index.ts";
import { type Candle, candleOf, candlesOf, inOrderOfKey, MINUTE, type StoredTick } from "../support/candles.ts";
import { eventually, runs, temporaryFolder } from "../support/folder.ts";
import { PoolProcess } from "../support/pool-process.ts";
import { BridgeProducer, HttpProducer, type Producer, SdkProducer } from "../support/producers.ts";
import { QuoteScript, RowNumbers } from "../support/quotes.ts";
import { allRows, tailed } from "../support/rows.ts";
import { portOf, TcpProxy } from "../support/tcp-proxy.ts";

const kills = runs(100);
const seed = Number(process.env.MILLPOND_SEED ?? Math.floor(performance.now() * 1000) % 1_000_000);
const backoffMs = { first: 10, last: 60 };

interface Seen {
  readonly position: number;
  readonly id: number;
}

/** Everything that outlives the processes that are killed. */
class Setting {
  readonly folder: string;
  readonly random = seededRandom(seed);
  readonly proxy: TcpProxy;
  readonly bridgeProxy: TcpProxy;
  readonly producers: Producer[] = [];
  readonly clients: Client[] = [];
  readonly seen: Seen[] = [];
  readonly seenCandles: { symbol: string; time: number; revision: number }[] = [];
  readonly stop = new AbortController();
  faults: string[] = [];
  bridge: Promise<void> | undefined;

  constructor(folder: string, proxy: TcpProxy, bridgeProxy: TcpProxy) {
    this.folder = folder;
    this.proxy = proxy;
    this.bridgeProxy = bridgeProxy;
  }
  get url(): string {
    return `http://127.0.0.1:${this.proxy.port}`;
  }

  attach(pool: PoolProcess): void {
    const { url, bridgeUrl } = pool.addresses;
    this.proxy.target(portOf(url));
    this.bridgeProxy.target(portOf(bridgeUrl));
  }
  /** The programs, begun once: from now on they live with whatever happens to the pool. */
  async begin(pool: PoolProcess): Promise<void> {
    const { url, random } = this;
    const { token } = pool;
    const numbers = new RowNumbers();
    const connected = async (encoding: "columns" | "json"): Promise<Client> => {
      const client = await connect({ url, token, encoding, backoffMs });
      this.clients.push(client);
      return client;
    };
    const script = (symbols: string[], unitMicros = 1) => new QuoteScript(random, numbers, symbols, unitMicros);
    const bridge = new BridgeProducer(
      "bridge",
      script(["BRIDGE1", "BRIDGE2"], 1000),
      `ws://127.0.0.1:${this.bridgeProxy.port}`,
      pool.addresses.tokens["feed:bridge"]!,
      ["BRIDGE1", "BRIDGE2"],
    );
    this.bridge = bridge.client.run(this.stop.signal);
    this.producers.push(
      new SdkProducer("columns", script(["COLUMNS1", "COLUMNS2", "COLUMNS3"]), await connected("columns")),
      new SdkProducer("json", script(["JSON1"]), await connected("json")),
      new HttpProducer("http", script(["HTTP1", "HTTP2"]), () => url, token, "crash-test-session"),
      bridge,
    );
    this.#follow(await connected("columns"));
  }
  #follow(client: Client): void {
    client.dataset("ticks").subscribe(
      { from: "start" },
      {
        onEvent: (event) => {
          if (event.kind === "gap") this.faults.push(`a gap: ${JSON.stringify(event)}`);
          if (event.kind !== "rows") return;
          for (const { volume } of event.rows) this.seen.push({ position: event.position, id: Number(volume) });
        },
        onEnd: (error) => error && this.faults.push(String(error)),
      },
    );
    client.dataset("candles_1m").subscribe(
      { from: "start" },
      {
        onEvent: (event) => {
          if (event.kind !== "rows") return;
          for (const { symbol, time, revision } of event.rows) {
            this.seenCandles.push({ symbol: String(symbol), time: Number(time), revision: Number(revision) });
          }
        },
      },
    );
  }
  send(): void {
    for (const producer of this.producers) {
      if (producer.waiting > 60) continue;
      producer.send(1 + Math.floor(this.random.next() * 25));
    }
  }
  get acknowledged(): number[] {
    return this.producers.flatMap(({ acknowledged }) => acknowledged);
  }
  /** The rows that must be stored in the end. */
  get expectedRows(): number[] {
    return this.producers.flatMap(({ expected }) => expected);
  }
  async end(): Promise<void> {
    this.stop.abort();
    for (const client of this.clients) client.close();
    await this.bridge;
    await Promise.all([this.proxy.close(), this.bridgeProxy.close()]);
  }
}

async function queried<Row>(pool: Pick<PoolProcess, "http">, dataset: string, plan: object): Promise<Row[]> {
  const { status, body } = await pool.http<{ rows: Row[] }>("POST", `/v1/datasets/${dataset}/query`, {
    limit: 1_000_000,
    ...plan,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body.rows;
}
const storedIds = async (pool: PoolProcess): Promise<number[]> =>
  (await queried<{ id: number }>(pool, "ticks", { select: [{ as: "id", value: "volume" }] })).map(({ id }) => id);

/** Nothing acknowledged is missing and nothing is there twice. */
function assertStored(acknowledged: readonly number[], stored: readonly number[]): void {
  const found = new Set(stored);
  assert.equal(found.size, stored.length, "a row is stored twice");
  const missing = acknowledged.filter((id) => !found.has(id));
  assert.deepEqual(missing, [], `${missing.length} acknowledged rows are missing`);
}

/** Traffic on a pool until it is killed at some moment. */
async function untilKilled(setting: Setting, pool: PoolProcess, inOpening: boolean): Promise<void> {
  const { random } = setting;
  if (inOpening) {
    pool.open(setting.folder).catch(() => {});
    await pool.opening;
    await systemTimers.delay(random.next() * 400);
    await pool.kill();
    return;
  }
  await pool.open(setting.folder);
  setting.attach(pool);
  const before = setting.acknowledged.length;
  const waiting = setting.producers.reduce((sum, producer) => sum + producer.waiting, 0);
  setting.send();
  await eventually("an acknowledgement", () => setting.acknowledged.length > before || waiting === 0);
  const endMs = performance.now() + random.next() * 120;
  while (performance.now() < endMs) {
    setting.send();
    await systemTimers.delay(random.next() * 10);
  }
  assert.ok(pool.running, `the pool ended by itself: ${pool.errors}`);
  await pool.kill();
  setting.proxy.target(undefined);
  setting.bridgeProxy.target(undefined);
}

/** What must hold of any pool that has just been opened after a kill. */
async function assertWhole(setting: Setting, pool: PoolProcess): Promise<void> {
  const acknowledged = setting.acknowledged;
  assertStored(acknowledged, await storedIds(pool));
  const report = await pool.verify();
  assert.ok(report.ok, JSON.stringify(report));
  assert.equal(report.unaccounted, 0);
}

/** Everything is acknowledged in the end, and every window but the last one of each symbol is closed. */
async function drain(setting: Setting, pool: PoolProcess): Promise<number> {
  const at =
    Math.ceil((Math.max(...setting.producers.map(({ script }) => script.newest)) + 600_000_000) / MINUTE) * MINUTE;
  for (const producer of setting.producers) producer.close(at);
  await eventually("acknowledgements of all", () => setting.producers.every(({ waiting }) => waiting === 0));
  await eventually("closed windows", async () => {
    const { body } = await pool.http<{ position: number }>("GET", "/v1/log");
    await systemTimers.delay(150);
    return (await pool.http<{ position: number }>("GET", "/v1/log")).body.position === body.position;
  });
  return at;
}

async function assertCandles({ seenCandles }: Setting, pool: Pool, before: number): Promise<void> {
  const ticks = (await allRows(pool, "ticks")) as unknown as StoredTick[];
  const candles = (await allRows(pool, "candles_1m")) as unknown as (Candle & { revision: number })[];
  const expected = candlesOf(ticks).filter(({ time }) => time < before);
  assert.deepEqual(inOrderOfKey(candles.map(candleOf)), expected, "candles are those of the stored ticks");
  // Every revision was pushed once, in its order.
  const pushed = new Map<string, number>();
  for (const { symbol, time, revision } of seenCandles) {
    assert.equal(revision, (pushed.get(`${symbol} ${time}`) ?? -1) + 1, `revision of ${symbol} ${time}`);
    pushed.set(`${symbol} ${time}`, revision);
  }
  const final = candles.map(({ symbol, time, revision }) => [`${symbol} ${time}`, revision] as const);
  assert.deepEqual(new Map([...pushed].sort()), new Map([...final].sort()), "the last revision pushed is the one held");
  assert.ok(
    final.some(([, revision]) => revision > 0),
    "no candle was ever corrected",
  );
}

it(`loses nothing and repeats nothing over ${kills} kills (seed ${seed})`, async (test) => {
  const folder = await temporaryFolder(test, "crash");
  const setting = new Setting(folder, await TcpProxy.listen(), await TcpProxy.listen());
  test.after(() => setting.end());
  const first = new PoolProcess();
  await first.open(folder);
  setting.attach(first);
  await setting.begin(first);
  setting.send();
  await eventually("the first acknowledgement", () => setting.acknowledged.length > 0);
  await first.kill();

  let next = new PoolProcess();
  for (let kill = 1; kill < kills; kill++) {
    const pool = next;
    next = new PoolProcess();
    await untilKilled(setting, pool, setting.random.next() < 0.1);
    if (kill % 25 === 0) {
      await next.open(folder);
      setting.attach(next);
      await assertWhole(setting, next);
      await next.kill();
      next = new PoolProcess();
    }
  }

  await next.open(folder);
  setting.attach(next);
  const before = await drain(setting, next);
  await assertWhole(setting, next);
  const { body: log } = await next.http<{ position: number }>("GET", "/v1/log");
  await eventually("the follower at the end", () => setting.seen.length >= setting.expectedRows.length);
  const metrics = (await next.http<string>("GET", "/metrics")).body;
  for (const [, lag] of metrics.matchAll(/^millpond_view_lag_commits\{.*\} (\d+)$/gm)) assert.equal(Number(lag), 0);
  assert.equal(await next.stop(), 0, "it closes when asked to");

  const pool = await openPool(market, { folder, environment: createEnvironment() });
  try {
    const rows = await allRows(pool, "ticks");
    const stored = rows.map(({ volume }) => Number(volume));
    assert.deepEqual([...stored].sort(ascending), [...setting.expectedRows].sort(ascending), "exactly the good rows");
    const tail = (await tailed(pool, "ticks")).map(({ volume }) => Number(volume));
    assert.deepEqual(tail, stored, "the tail from the start gives what the query gives");
    assert.deepEqual(
      setting.seen.map(({ id }) => id),
      stored,
      "the follower saw each row once and in order",
    );
    await assertCandles(setting, pool, before);
    assert.ok((await pool.verify()).ok);
    assertAccounts(setting, pool);
    assert.deepEqual([...setting.faults, ...setting.producers.flatMap(({ faults }) => faults)], []);
    const repeated = setting.producers.reduce((sum, producer) => sum + producer.repeated, 0);
    assert.ok(repeated > 0, "no batch was ever sent again: the kills met nothing");
    test.diagnostic(
      `${kills} kills, ${log.position} commits, ${stored.length} rows, ${repeated} batches answered as repeated, seed ${seed}`,
    );
  } finally {
    await pool.close();
  }
});

it("acknowledges what is under way when it is asked to stop, and is stopped at once by a second asking", async (test) => {
  const folder = await temporaryFolder(test, "stop");
  const setting = new Setting(folder, await TcpProxy.listen(), await TcpProxy.listen());
  test.after(() => setting.end());
  const start = async (): Promise<PoolProcess> => {
    const pool = new PoolProcess();
    await pool.open(folder);
    setting.attach(pool);
    return pool;
  };
  const first = await start();
  await setting.begin(first);
  for (let round = 0; round < 40; round++) setting.send();
  assert.equal(await first.stop(), 0, first.errors);
  const acknowledged = setting.acknowledged;

  const second = await start();
  assertStored(acknowledged, await storedIds(second));
  await eventually("acknowledgements of all", () => setting.producers.every(({ waiting }) => waiting === 0));
  for (let round = 0; round < 40; round++) setting.send();
  second.process.kill("SIGTERM");
  second.process.kill("SIGTERM");
  assert.ok([0, 2, null].includes(await second.ended), "it ends, in order or at once");

  const third = await start();
  await drain(setting, third);
  await assertWhole(setting, third);
  const ascendingIds = (await storedIds(third)).sort(ascending);
  assert.deepEqual(ascendingIds, [...setting.expectedRows].sort(ascending));
  assert.deepEqual(
    setting.producers.flatMap(({ faults }) => faults),
    [],
  );
  assert.equal(await third.stop(), 0);
});

/** The accounts of the pool are the sums of what was sent, each batch counted once. */
function assertAccounts(setting: Setting, pool: Pool): void {
  const sum = (feed: string, names: readonly string[]): void => {
    const found = pool.door.accounts().find((totals) => totals.feed === feed)!;
    for (const outcome of ["received", "accepted", "duplicate", "quarantined", "late", "refused"] as const) {
      const sent = setting.producers
        .filter(({ name }) => names.includes(name))
        .reduce((total, producer) => total + producer.sent[outcome], 0);
      assert.equal(found[outcome], sent, `${feed} ${outcome}`);
    }
    assert.equal(found.unaccounted, 0);
  };
  sum("api", ["columns", "json", "http"]);
  sum("simulated", ["bridge"]);
}

const ascending = (one: number, two: number): number => one - two;
