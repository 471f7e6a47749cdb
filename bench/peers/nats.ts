/** NATS JetStream on files: a subject a symbol, an ordered consumer, the newest by subject. */
import path from "node:path";
import { connect, consumerOpts, type JetStreamManager, JSONCodec, type NatsConnection, StorageType } from "nats";
import type { Peer, Producer, Reader, Started } from "../peer.ts";
import type { Tick } from "../tick.ts";
import { findProgram, startProgram } from "./server.ts";

interface Connection {
  readonly port: number;
}

const codec = JSONCodec<Tick>();
const STREAM = { name: "ticks", subjects: ["ticks.*"], storage: StorageType.File, allow_direct: true };

export const nats: Peer = {
  name: "nats",
  durability: "page cache, synced every two minutes (weaker)",
  note: "JetStream on files, a message a tick, an acknowledgement each; the latency workloads only",
  workloads: ["W2", "W3"],
  pushes: true,
  unavailable: async () => (findProgram("nats-server") ? undefined : "no nats-server on this machine"),
  async start(folder): Promise<Started> {
    const store = path.join(folder, "nats");
    const program = await startProgram(findProgram("nats-server")!, store, (port) => [
      ...["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", store],
    ]);
    return {
      connection: { port: program.port },
      pid: program.pid,
      reset: async () => {
        const [client, manager] = await open({ port: program.port });
        await manager.streams.delete("ticks").catch(() => {});
        await manager.streams.add(STREAM);
        await client.close();
      },
      stop: program.stop,
    };
  },
};

async function open(connection: unknown): Promise<[NatsConnection, JetStreamManager]> {
  const client = await connect({ servers: `127.0.0.1:${(connection as Connection).port}` });
  return [client, await client.jetstreamManager()];
}

export async function producer(connection: unknown): Promise<Producer> {
  const [client] = await open(connection);
  const stream = client.jetstream();
  return {
    send: (ticks) =>
      Promise.all(ticks.map((tick) => stream.publish(`ticks.${tick.symbol}`, codec.encode(tick), { timeout: 30_000 }))),
    close: () => client.close(),
  };
}

export async function subscribe(
  connection: unknown,
  count: number,
  onTicks: (which: number, ticks: readonly Tick[]) => void,
) {
  const all = await Promise.all(Array.from({ length: count }, () => open(connection)));
  for (const [which, [client]] of all.entries()) {
    const options = consumerOpts();
    options.orderedConsumer();
    options.deliverAll();
    options.callback((error, message) => {
      if (error === null && message !== null) onTicks(which, [codec.decode(message.data)]);
    });
    await client.jetstream().subscribe("ticks.*", options);
  }
  return { close: async () => void (await Promise.all(all.map(([client]) => client.close().catch(() => {})))) };
}

export async function reader(connection: unknown): Promise<Reader> {
  const [client, manager] = await open(connection);
  return {
    latest: async (symbol) => {
      const message = await manager.streams.getMessage("ticks", { last_by_subj: `ticks.${symbol}` });
      return message === null ? undefined : codec.decode(message.data);
    },
    close: () => client.close(),
  };
}
