/**
 * How long rows take from the gate to a subscriber: from the moment a batch was handed to the gate until its decoded
 * frame was in the hands of an SDK subscriber of this process, over a real socket of the loopback interface. What it
 * leaves out is the way from the terminal to the bridge.
 */
import type { Stream } from "../../../client/node.ts";
import { type Client, connect } from "../../../client/node.ts";
import { Histogram } from "../../base/index.ts";
import type { Admitted, Pool } from "../../pool/index.ts";

/** Batches that one of the two is still to be seen of; those without an accepted row never get a frame. */
const MOST_OPEN = 4_096;

export class PushLatency {
  readonly #byFeed = new Map<string, Histogram>();
  readonly #submitted = new Map<number, Admitted>();
  readonly #arrived = new Map<number, number>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }
  of(feed: string): Histogram | undefined {
    return this.#byFeed.get(feed);
  }
  admitted(admitted: Admitted): void {
    const arrivedMs = this.#arrived.get(admitted.position);
    if (arrivedMs === undefined) keep(this.#submitted, admitted.position, admitted);
    else this.#record(admitted, arrivedMs);
  }
  arrived(position: number): void {
    const nowMs = this.#nowMs();
    const admitted = this.#submitted.get(position);
    if (admitted === undefined) keep(this.#arrived, position, nowMs);
    else this.#record(admitted, nowMs);
  }
  #record({ feed, position, submittedMs }: Admitted, arrivedMs: number): void {
    this.#submitted.delete(position);
    this.#arrived.delete(position);
    const histogram = this.#byFeed.get(feed) ?? new Histogram();
    this.#byFeed.set(feed, histogram);
    histogram.record(arrivedMs - submittedMs);
  }
}

function keep<Value>(map: Map<number, Value>, position: number, value: Value): void {
  map.set(position, value);
  if (map.size <= MOST_OPEN) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** Subscribes to every dataset that feeds fill, and measures until it is closed. */
export async function measurePushes(
  pool: Pool,
  url: string,
  token: string,
  nowMs: () => number,
): Promise<{ readonly latency: PushLatency; close(): void }> {
  const latency = new PushLatency(nowMs);
  const release = pool.onAdmitted((admitted) => latency.admitted(admitted));
  const client: Client = await connect({ url, token });
  const datasets = new Set(pool.definition.feeds.map(({ dataset }) => dataset));
  const streams = [...datasets].map(
    (dataset): Stream<object> =>
      client.dataset(dataset).subscribe(
        {},
        {
          onEvent: (event) => {
            if (event.kind === "rows") latency.arrived(event.position);
          },
        },
      ),
  );
  await Promise.all(streams.map(({ started }) => started));
  return {
    latency,
    close: () => {
      release();
      client.close();
    },
  };
}
