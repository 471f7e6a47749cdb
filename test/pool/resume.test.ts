/**
 * Links that are cut at random while rows pour in: every subscriber, over socket in both encodings and over
 * server-sent events, gets each row once and in order, and every writer stores each row once. MILLPOND_RUNS sets how
 * many cuts there are.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { type Client, connect, type Stream } from "../../client/node.ts";
import { seededRandom, systemTimers } from "../../src/base/index.ts";
import { EventSourceReader } from "../support/event-source.ts";
import { eventually, runs, temporaryFolder } from "../support/folder.ts";
import { startPool } from "../support/pool-process.ts";
import { type Producer, SdkProducer } from "../support/producers.ts";
import { QuoteScript, RowNumbers } from "../support/quotes.ts";
import { portOf, TcpProxy } from "../support/tcp-proxy.ts";

const cuts = runs(120);
const seed = Number(process.env.MILLPOND_SEED ?? Math.floor(performance.now() * 1000) % 1_000_000);

/** What one subscriber has seen, and from where. */
interface Follower {
  readonly name: string;
  readonly ids: number[];
  /** Where it began; rows up to here are not expected. */
  readonly from: number;
  readonly stream?: Stream<unknown>;
}

it(`gives each row once and in order over ${cuts} cuts (seed ${seed})`, async (test) => {
  const pool = await startPool(await temporaryFolder(test, "resume"));
  const random = seededRandom(seed);
  const proxy = await TcpProxy.listen(portOf(pool.addresses.url));
  const url = `http://127.0.0.1:${proxy.port}`;
  const clients: Client[] = [];
  const readers: EventSourceReader[] = [];
  test.after(async () => {
    for (const client of clients) client.close();
    for (const reader of readers) reader.close();
    await proxy.close();
  });
  const connected = async (encoding: "columns" | "json"): Promise<Client> => {
    const client = await connect({ url, token: pool.token, encoding, backoffMs: { first: 5, last: 40 } });
    clients.push(client);
    return client;
  };
  const numbers = new RowNumbers();
  const producers: Producer[] = [];
  for (const encoding of ["columns", "json"] as const) {
    const script = new QuoteScript(random, numbers, [`${encoding}1`, `${encoding}2`]);
    producers.push(new SdkProducer(encoding, script, await connected(encoding)));
  }
  const send = (): void => {
    for (const producer of producers) if (producer.waiting < 60) producer.send(1 + Math.floor(random.next() * 40));
  };

  const followers: Follower[] = [];
  const faults: string[] = [];
  const follow = async (encoding: "columns" | "json", from: "start" | number): Promise<void> => {
    const client = await connected(encoding);
    const ids: number[] = [];
    const stream = client.dataset("ticks").subscribe(
      { from },
      {
        onEvent: (event) => {
          if (event.kind === "rows") ids.push(...event.rows.map(({ volume }) => Number(volume)));
          else if (event.kind === "gap") faults.push(`${encoding}: a gap`);
        },
        onEnd: (error) => error && faults.push(String(error)),
      },
    );
    followers.push({ name: `${encoding} from ${from}`, ids, from: from === "start" ? 0 : from, stream });
  };
  const followEvents = (): void => {
    const ids: number[] = [];
    const reader = new EventSourceReader(`${url}/v1/datasets/ticks/stream?from=start`, pool.token, (frame) => {
      if (frame.type === "rows") ids.push(...(frame.rows as { volume: number }[]).map(({ volume }) => volume));
      else if (frame.type === "gap") faults.push("events: a gap");
    });
    readers.push(reader);
    followers.push({ name: "events from start", ids, from: 0 });
  };

  for (let round = 0; round < 20; round++) send();
  await eventually("the first rows", () => producers.every(({ waiting }) => waiting === 0));
  const middle = Number((await pool.http<{ position: number }>("GET", "/v1/log")).body.position);
  await follow("columns", "start");
  await follow("json", "start");
  await follow("columns", middle);
  followEvents();

  for (let cut = 0; cut < cuts; ) {
    send();
    await systemTimers.delay(random.next() * 15);
    if (random.next() < 0.6) cut += proxy.cut(0.2 + random.next() * 0.8, () => random.next());
  }

  await eventually("acknowledgements of all", () => producers.every(({ waiting }) => waiting === 0));
  const { body } = await pool.http<{ rows: { id: number; position: number }[] }>("POST", "/v1/datasets/ticks/query", {
    select: [
      { as: "id", value: "volume" },
      { as: "position", value: "_position" },
    ],
    limit: 1_000_000,
  });
  const ascending = (one: number, two: number): number => one - two;
  assert.deepEqual(
    body.rows.map(({ id }) => id).sort(ascending),
    producers.flatMap(({ expected }) => expected).sort(ascending),
    "each row is stored once",
  );
  for (const { name, ids, from, stream } of followers) {
    const expected = body.rows.filter(({ position }) => position > from).map(({ id }) => id);
    await eventually(`${name} at the end`, () => ids.length >= expected.length);
    assert.deepEqual(ids, expected, name);
    assert.equal(stream?.holes ?? 0, 0, `${name}: no hole`);
  }
  assert.deepEqual([...faults, ...producers.flatMap((producer) => producer.faults)], []);
  const resumed = readers.reduce((sum, reader) => sum + reader.connections - 1, 0);
  assert.ok(resumed > 2, `server-sent events resumed ${resumed} times`);
  assert.ok((await pool.verify()).ok);
  test.diagnostic(`${proxy.links} links, ${body.rows.length} rows, events resumed ${resumed} times, seed ${seed}`);
  assert.equal(await pool.stop(), 0);
});
