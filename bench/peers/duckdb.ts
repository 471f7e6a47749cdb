/** DuckDB alone: the ceiling of the aggregation. The table is filled untimed; only the query is measured. */
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Peer, Started } from "../peer.ts";
import { addBar, emptySums, tickAt } from "../tick.ts";

interface Connection {
  readonly file: string;
}

export const duckdb: Peer = {
  name: "duckdb-bare",
  durability: "not compared",
  note: "a table already filled; one SQL statement, rows read into Node",
  workloads: ["W5"],
  pushes: false,
  unavailable: async () => undefined,
  async start(folder): Promise<Started> {
    const file = path.join(folder, "bare.duckdb");
    return { connection: { file }, reset: async () => {}, settle: () => fill(file), stop: async () => {} };
  },
};

async function fill(file: string): Promise<void> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  await connection.run(
    "CREATE OR REPLACE TABLE ticks(seq BIGINT, symbol VARCHAR, time_ms BIGINT, bid DOUBLE, ask DOUBLE, volume BIGINT)",
  );
  const appender = await connection.createAppender("ticks");
  for (let index = 0; index < 1_000_000; index++) {
    const { symbol, time_ms, bid, ask, volume } = tickAt(index);
    appender.appendBigInt(BigInt(index));
    appender.appendVarchar(symbol);
    appender.appendBigInt(BigInt(time_ms));
    appender.appendDouble(bid);
    appender.appendDouble(ask);
    appender.appendBigInt(BigInt(volume));
    appender.endRow();
  }
  appender.closeSync();
  await connection.run("CHECKPOINT");
  connection.closeSync();
  instance.closeSync();
}

export async function ohlc(connection: unknown) {
  const instance = await DuckDBInstance.create((connection as Connection).file, { access_mode: "READ_ONLY" });
  const database = await instance.connect();
  const result = await database.runAndReadAll(
    `SELECT arg_min(bid, seq) AS o, max(bid) AS h, min(bid) AS l, arg_max(bid, seq) AS c, sum(volume)::DOUBLE AS v
     FROM ticks GROUP BY symbol, time_ms // 60000`,
  );
  const [o, h, l, c, v] = result.getColumns() as number[][];
  const sums = emptySums();
  for (let bar = 0; bar < o!.length; bar++) addBar(sums, o![bar]!, h![bar]!, l![bar]!, c![bar]!, v![bar]!);
  database.closeSync();
  instance.closeSync();
  return sums;
}
