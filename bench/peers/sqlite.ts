/** SQLite through node:sqlite: bare inserts as the ceiling, and the same with a second process that polls. */
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Peer, Producer, Reader, Started } from "../peer.ts";
import { addBar, emptySums, type Tick } from "../tick.ts";

interface Connection {
  readonly file: string;
}

const FULL = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;";
const COLUMNS = "symbol, time_ms, bid, ask, volume";

function create(name: string, polled: boolean): Peer {
  return {
    name,
    durability: "synced before the acknowledgement",
    note: polled
      ? "indexed table; the subscriber's process polls each millisecond"
      : "bare table, no subscriber: the ceiling",
    workloads: polled ? ["W1", "W2", "W4", "W5", "W6"] : ["W1", "W6"],
    pushes: polled,
    unavailable: async () => undefined,
    async start(folder): Promise<Started> {
      let generation = 0;
      const fresh = async (): Promise<Connection> => {
        const file = path.join(folder, `ticks-${++generation}.db`);
        const database = new DatabaseSync(file);
        database.exec(FULL);
        database.exec(
          "CREATE TABLE ticks(seq INTEGER PRIMARY KEY, symbol TEXT NOT NULL, time_ms INTEGER NOT NULL, bid REAL NOT NULL, ask REAL NOT NULL, volume INTEGER NOT NULL) STRICT",
        );
        if (polled) database.exec("CREATE INDEX by_symbol ON ticks(symbol, time_ms)");
        database.close();
        return { file };
      };
      const connection = { ...(await fresh()) };
      return { connection, reset: async () => void Object.assign(connection, await fresh()), stop: async () => {} };
    },
  };
}

export const bare = create("sqlite-bare", false);
export const polled = create("sqlite-polled", true);

function open(connection: unknown, readOnly: boolean): DatabaseSync {
  const database = new DatabaseSync((connection as Connection).file, { readOnly, timeout: 10_000 });
  database.exec(readOnly ? "PRAGMA cache_size=-65536" : FULL);
  return database;
}

export async function producer(connection: unknown): Promise<Producer> {
  const database = open(connection, false);
  const insert = database.prepare(`INSERT INTO ticks(${COLUMNS}) VALUES(?, ?, ?, ?, ?)`);
  const put = ({ symbol, time_ms, bid, ask, volume }: Tick) => insert.run(symbol, time_ms, bid, ask, volume);
  return {
    async send(ticks) {
      if (ticks.length === 1) return void put(ticks[0]!);
      database.exec("BEGIN");
      for (const tick of ticks) put(tick);
      database.exec("COMMIT");
      await new Promise((resolve) => setImmediate(resolve));
    },
    close: async () => database.close(),
  };
}

export async function subscribe(
  connection: unknown,
  count: number,
  onTicks: (which: number, ticks: readonly Tick[]) => void,
) {
  const database = open(connection, true);
  const after = database.prepare(`SELECT seq, ${COLUMNS} FROM ticks WHERE seq > ? ORDER BY seq LIMIT 5000`);
  const seen = new Array<number>(count).fill(0);
  let running = true;
  const poll = (): void => {
    if (!running) return;
    let more = false;
    for (let which = 0; which < count; which++) {
      const rows = after.all(seen[which]!) as unknown as (Tick & { seq: number })[];
      if (rows.length === 0) continue;
      seen[which] = rows.at(-1)!.seq;
      more ||= rows.length === 5_000;
      onTicks(which, rows);
    }
    if (more) setImmediate(poll);
    else setTimeout(poll, 1);
  };
  poll();
  return {
    close: async () => {
      running = false;
      database.close();
    },
  };
}

export async function reader(connection: unknown): Promise<Reader> {
  const database = open(connection, true);
  const newest = database.prepare(`SELECT ${COLUMNS} FROM ticks WHERE symbol = ? ORDER BY time_ms DESC LIMIT 1`);
  return { latest: (symbol) => newest.get(symbol) as unknown as Tick, close: async () => database.close() };
}

export async function ohlc(connection: unknown) {
  const database = open(connection, true);
  const rows = database
    .prepare(
      `WITH bars AS (SELECT min(seq) AS f, max(seq) AS l, max(bid) AS h, min(bid) AS lo, sum(volume) AS v
         FROM ticks GROUP BY symbol, time_ms / 60000)
       SELECT a.bid AS o, h, lo, b.bid AS c, v FROM bars JOIN ticks a ON a.seq = f JOIN ticks b ON b.seq = l`,
    )
    .all() as { o: number; h: number; lo: number; c: number; v: number }[];
  const sums = emptySums();
  for (const { o, h, lo, c, v } of rows) addBar(sums, o, h, lo, c, v);
  database.close();
  return sums;
}
