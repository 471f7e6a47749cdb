/**
 * Programs that send scripted quotes through a door and note every acknowledgement, over any number of lost links and
 * restarts: the SDK, the bridge, and plain HTTP with numbered batches.
 */

import type { Client } from "../../client/node.ts";
import { BridgeClient } from "../../connect/simulator/bridge-client.ts";
import { createEnvironment, systemTimers } from "../../src/base/index.ts";
import type { TickRow } from "../../src/feed/index.ts";
import type { Account, Outcome, QuoteBatch, QuoteScript } from "./quotes.ts";

const outcomes: readonly (Outcome | "received")[] = [
  "received",
  "accepted",
  "duplicate",
  "quarantined",
  "late",
  "refused",
];

export abstract class Producer {
  readonly name: string;
  readonly script: QuoteScript;
  /** Numbers of rows that an acknowledgement says are stored. */
  readonly acknowledged: number[] = [];
  /** What every row sent must come to once everything is acknowledged. */
  readonly expected: number[] = [];
  batches = 0;
  repeated = 0;
  /** What was not as it should be; empty in the end. */
  readonly faults: string[] = [];
  sent: Record<Outcome | "received", number> = {
    received: 0,
    accepted: 0,
    duplicate: 0,
    quarantined: 0,
    late: 0,
    refused: 0,
  };

  constructor(name: string, script: QuoteScript) {
    this.name = name;
    this.script = script;
  }
  send(count: number): void {
    this.#take(this.script.batch(count));
  }
  /** Moves every window of the script's symbols to its end. */
  close(at: number): void {
    this.#take(this.script.closing(at));
  }
  /** Batches without an acknowledgement. */
  abstract get waiting(): number;
  protected abstract deliver(batch: QuoteBatch): void;

  #take(batch: QuoteBatch): void {
    this.expected.push(...batch.accepted);
    for (const outcome of outcomes) this.sent[outcome] += batch.account[outcome];
    this.deliver(batch);
  }
  protected acknowledge(batch: QuoteBatch, account: Account, repeated: boolean): void {
    this.batches += 1;
    if (repeated) this.repeated += 1;
    this.acknowledged.push(...batch.accepted);
    // The receipt of a batch that was repeated long afterwards has no account any more.
    if (repeated && account.received === 0) return;
    const wrong = outcomes.filter((outcome) => account[outcome] !== batch.account[outcome]);
    if (wrong.length > 0) {
      this.faults.push(`${this.name}: ${JSON.stringify(account)} instead of ${JSON.stringify(batch.account)}`);
    }
  }
}

export class SdkProducer extends Producer {
  waiting = 0;
  readonly #client: Client;

  constructor(name: string, script: QuoteScript, client: Client) {
    super(name, script);
    this.#client = client;
  }
  protected deliver(batch: QuoteBatch): void {
    this.waiting += 1;
    this.#client
      .dataset("ticks")
      .append(batch.rows)
      .then(
        ({ account, repeated }) => {
          this.waiting -= 1;
          this.acknowledge(batch, account, repeated);
        },
        (error: unknown) => this.faults.push(`${this.name}: ${String(error)}`),
      );
  }
}

export class BridgeProducer extends Producer {
  readonly client: BridgeClient;
  readonly #batches: QuoteBatch[] = [];
  #acknowledged = 0;

  constructor(name: string, script: QuoteScript, url: string, token: string, symbols: readonly string[]) {
    super(name, script);
    this.client = new BridgeClient({
      url,
      token,
      feed: "simulated",
      terminal: { id: name, name: "Test terminal", simulated: true },
      symbols: symbols.map((symbol) => ({ name: `${symbol}.m`, digits: 5, point: 0.00001 })),
      serverTimeZone: "UTC",
      environment: createEnvironment(),
      serverTime: () => null,
      ticksPerBatch: 100_000,
      backoffMs: { first: 10, longest: 50 },
      onAck: ({ batch, account, repeated }) => this.#ack(batch, account, repeated === true),
    });
  }
  /** Also counts what a welcome named as durable, without an account. */
  get waiting(): number {
    return this.client.unacknowledged;
  }
  protected deliver(batch: QuoteBatch): void {
    this.#batches.push(batch);
    for (const { symbol, time, bid, ask, volume } of batch.rows) {
      this.client.add([`${symbol}.m`, time / 1000, bid as number, ask, null, volume, 6] satisfies TickRow);
    }
    this.client.flush();
  }
  /** Acks come in order; batches between two were named as durable by a welcome. */
  #ack(number: number, account: Account, repeated: boolean): void {
    if (number <= this.#acknowledged) return;
    for (let skipped = this.#acknowledged + 1; skipped < number; skipped++) {
      this.acknowledge(this.#batches[skipped - 1]!, { ...this.#batches[skipped - 1]!.account }, true);
    }
    this.#acknowledged = number;
    this.acknowledge(this.#batches[number - 1]!, account, repeated);
  }
}

/** One batch at a time, sent again under its number until there is an answer. */
export class HttpProducer extends Producer {
  readonly #url: () => string;
  readonly #token: string;
  readonly #session: string;
  readonly #queue: QuoteBatch[] = [];
  #number = 0;
  #busy = false;

  constructor(name: string, script: QuoteScript, url: () => string, token: string, session: string) {
    super(name, script);
    this.#url = url;
    this.#token = token;
    this.#session = session;
  }
  get waiting(): number {
    return this.#queue.length;
  }
  protected deliver(batch: QuoteBatch): void {
    this.#queue.push(batch);
    if (!this.#busy) void this.#run();
  }
  async #run(): Promise<void> {
    this.#busy = true;
    for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
      const answer = await this.#post(batch).catch(() => undefined);
      if (answer === undefined) {
        await systemTimers.delay(15);
        continue;
      }
      this.#queue.shift();
      this.#number += 1;
      this.acknowledge(batch, answer.account, answer.repeated);
    }
    this.#busy = false;
  }
  async #post({ rows }: QuoteBatch): Promise<{ account: Account; repeated: boolean } | undefined> {
    const answer = await fetch(`${this.#url()}/v1/datasets/ticks/rows`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#token}`,
        "content-type": "application/json",
        "millpond-session": this.#session,
        "millpond-batch": String(this.#number + 1),
      },
      body: JSON.stringify(rows),
    });
    if (answer.ok) return (await answer.json()) as { account: Account; repeated: boolean };
    const text = await answer.text();
    if (answer.status < 500) throw new Error(this.faults[this.faults.push(`${this.name}: ${text}`) - 1]);
    return undefined;
  }
}
