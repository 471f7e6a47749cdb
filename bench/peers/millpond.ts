/** Millpond with everything on, in a process of its own; every role talks to it through the SDK over the socket. */
import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Client, connect } from "../../client/node.ts";
import { ticks as contract } from "../../pools/market/index.ts";
import type { Batch, NumberColumn, TextColumn } from "../../src/batch/index.ts";
import type { Closable, Peer, Producer, Reader, Started } from "../peer.ts";
import { addBar, type BarSums, emptySums, type Tick } from "../tick.ts";

export interface Connection {
  url: string;
  token: string;
}

const SERVER = fileURLToPath(new URL("./millpond-server.ts", import.meta.url));

/** `BENCH_PROFILE=<folder>` writes CPU profiles of the server's threads there. */
const profiling = process.env.BENCH_PROFILE ? ["--cpu-prof", `--cpu-prof-dir=${process.env.BENCH_PROFILE}`] : [];

export const millpond: Peer = {
  name: "millpond",
  durability: "synced before the acknowledgement",
  note: "the market pool: sign-in, gate with its rules, hash chain, latest and series views, flows; SDK over the socket",
  workloads: ["W1", "W2", "W3", "W4", "W5", "W6"],
  pushes: true,
  unavailable: async () => undefined,
  async start(folder): Promise<Started> {
    const server = await startMillpond(folder);
    return {
      connection: server.connection,
      reset: () => server.restart(),
      settle: () => settle(server.connection),
      stop: () => server.stop(),
    };
  },
};

export interface MillpondServer {
  readonly connection: Connection;
  pid: number;
  /** The data folder in use; each restart takes a new, empty one. */
  folder: string;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** One server at a time below the folder, each start on fresh data; `connection` is changed in place. */
export async function startMillpond(base: string): Promise<MillpondServer> {
  let child: ChildProcess | undefined;
  let generation = 0;
  const server: MillpondServer = {
    connection: { url: "", token: "" },
    pid: 0,
    folder: "",
    restart: async () => {
      await server.stop();
      server.folder = path.join(base, `millpond-${++generation}`);
      const started = fork(SERVER, [server.folder], { execArgv: ["--no-warnings", ...profiling] });
      const said = await new Promise<Connection>((resolve, reject) => {
        started.once("message", (message) => resolve(message as Connection));
        started.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
      });
      Object.assign(server.connection, said);
      child = started;
      server.pid = started.pid!;
    },
    stop: () =>
      new Promise((resolve) => {
        if (child === undefined || child.exitCode !== null) return resolve();
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  };
  await server.restart();
  return server;
}

const open = (connection: unknown): Promise<Client> => {
  const { url, token } = connection as Connection;
  return connect({ url, token });
};

/** A query that must see the head makes the series view catch up. */
export async function settle(connection: unknown): Promise<void> {
  const client = await open(connection);
  await client.dataset(contract).query({ limit: 1 });
  client.close();
}

export async function producer(connection: unknown): Promise<Producer> {
  const client = await open(connection);
  const dataset = client.dataset(contract);
  return {
    async send(ticks) {
      const rows = ticks.map(({ symbol, time_ms, bid, ask, volume }) => ({
        symbol,
        time: time_ms * 1000,
        bid,
        ask,
        volume,
      }));
      const { account } = await dataset.append(rows);
      if (account.accepted !== ticks.length) throw new Error(`accepted ${account.accepted} of ${ticks.length}`);
    },
    close: async () => client.close(),
  };
}

export async function subscribe(
  connection: unknown,
  count: number,
  onTicks: (which: number, ticks: readonly Tick[]) => void,
): Promise<Closable> {
  const clients = await Promise.all(Array.from({ length: count }, () => open(connection)));
  await Promise.all(
    clients.map((client, which) => {
      const onEvent = (event: { readonly kind: string; readonly batch?: Batch }): void => {
        if (event.kind === "rows" && event.batch) onTicks(which, ticksOf(event.batch));
        else if (event.kind !== "provisional") onTicks(which, [{ symbol: "", time_ms: -1, bid: 0, ask: 0, volume: 0 }]);
      };
      return client.dataset(contract).subscribe({ from: "start" }, { onEvent }).started;
    }),
  );
  return { close: async () => clients.forEach((client) => void client.close()) };
}

/** Columns in the order of the contract: symbol, time, bid, ask, volume. */
function ticksOf({ count, columns }: Batch): Tick[] {
  const { dictionary, indexes } = columns[0] as TextColumn;
  const [time, bid, ask, volume] = columns.slice(1).map((column) => (column as NumberColumn).values) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const ticks: Tick[] = new Array(count);
  for (let place = 0; place < count; place++) {
    ticks[place] = {
      symbol: dictionary[indexes[place]!]!,
      time_ms: time[place]! / 1000,
      bid: bid[place]!,
      ask: ask[place]!,
      volume: volume[place]!,
    };
  }
  return ticks;
}

export async function reader(connection: unknown): Promise<Reader> {
  const client = await open(connection);
  const dataset = client.dataset(contract);
  return {
    async latest(symbol) {
      const answer = await dataset.latest(symbol);
      if (answer === undefined) return undefined;
      const { time, bid, ask, volume } = answer.row;
      return { symbol, time_ms: time / 1000, bid, ask, volume: volume ?? 0 };
    },
    close: async () => client.close(),
  };
}

export async function ohlc(connection: unknown): Promise<BarSums> {
  const client = await open(connection);
  const { batch } = await client.dataset(contract).query({
    group: "symbol",
    window: "1m",
    aggregates: { o: "first(bid)", h: "max(bid)", l: "min(bid)", c: "last(bid)", v: "sum(volume)" },
    limit: 1_000_000,
  });
  const [o, h, l, c, v] = batch.columns.slice(2).map((column) => (column as NumberColumn).values);
  const sums = emptySums();
  for (let bar = 0; bar < batch.count; bar++) addBar(sums, o![bar]!, h![bar]!, l![bar]!, c![bar]!, v![bar]!);
  client.close();
  return sums;
}
