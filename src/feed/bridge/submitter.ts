/**
 * Carries the numbered batches of one session to the gate, several in flight, and says what became of each.
 *
 * Numbers go up by one. When a submission fails, everything behind it fails too, so the submitter first waits until
 * all that is in flight has settled, then goes back to the batch after the last durable one and tells the terminal,
 * once. Batches that were on their way meanwhile are dropped: the terminal keeps what is not acknowledged.
 */
import { asMillpondError, fail, type MillpondError } from "../../base/index.ts";
import { emptyBatch } from "../../batch/index.ts";
import type { Admission, Gate, Submission } from "../../gate/index.ts";
import { tickFacts } from "../facts.ts";
import type { Zone } from "../zone.ts";
import type { TicksMessage } from "./messages.ts";
import type { BridgeFeed } from "./options.ts";
import { type DecodedTicks, rawText, TickDecoder } from "./ticks.ts";

export interface SubmitterEvents {
  /** In ascending order of batches. */
  durable(batch: number, admission: Admission): void;
  /** The terminal must send from `expected` on; with a pause where the cause is a condition. */
  rewind(batch: number, expected: number, error: MillpondError, failures: number): void;
  /** Sending again cannot help. */
  refused(error: MillpondError): void;
  waiting(rows: number): void;
}

/** A batch whose processing fails so often by a bug is kept as unreadable rows, so that it blocks nothing. */
const POISON_AFTER = 3;

export class Submitter {
  lastDurable = 0;
  waitingRows = 0;
  #expected = 1;
  #state: "open" | "recovering" | "rewinding" = "open";
  /** Batches dropped since the terminal was told where to go on. */
  #ignored = 0;
  #failures = { batch: 0, count: 0, bugs: 0 };
  readonly #inFlight = new Set<Promise<void>>();
  readonly #decoder = new TickDecoder();
  readonly #gate: Gate;
  readonly #feed: BridgeFeed;
  readonly #session: string;
  readonly #events: SubmitterEvents;
  readonly #mostIgnored: number;
  #recovery: Promise<void> = Promise.resolve();

  /** @param window batches a terminal may have on their way */
  constructor(gate: Gate, feed: BridgeFeed, session: string, window: number, events: SubmitterEvents) {
    this.#gate = gate;
    this.#feed = feed;
    this.#session = session;
    this.#events = events;
    this.#mostIgnored = 2 * window;
  }

  /** Starts again from what the gate has; nothing may be in flight. */
  resume(): number {
    this.lastDurable = this.#gate.lastBatch(this.#feed.name, this.#session);
    this.#goBack();
    this.#state = "open";
    return this.lastDurable;
  }
  /** Resolves when nothing is in flight and a rewind that was under way is done. */
  async settled(): Promise<void> {
    await this.#landed();
    await this.#recovery;
  }
  /** Nothing is in flight and nothing has to be sent again. */
  get idle(): boolean {
    return this.#inFlight.size === 0 && this.#state === "open";
  }

  /** A refusal where the batch must not be taken and the connection has to end. */
  take({ batch, ticks }: TicksMessage, actor: string, zone: Zone): MillpondError | null {
    if (batch < this.#expected) {
      // Between the last durable and the expected one lies what is in flight: its ack is on the way.
      if (batch <= this.lastDurable) this.#repeat(batch, actor);
      return null;
    }
    if (batch > this.#expected || this.#state === "recovering") return this.#outOfTurn(batch);
    this.#state = "open";
    this.#expected = batch + 1;
    this.#submit(batch, ticks, actor, zone);
    return null;
  }

  #outOfTurn(batch: number): MillpondError | null {
    const error = outOfOrder(batch, this.#expected);
    // More than can have been on their way: the terminal does not listen.
    if (this.#state === "rewinding") return ++this.#ignored > this.#mostIgnored ? error : null;
    if (this.#state === "recovering") return null;
    this.#rewind();
    this.#events.rewind(batch, this.#expected, error, 0);
    return null;
  }

  #submit(batch: number, ticks: readonly unknown[], actor: string, zone: Zone): void {
    const poisoned = this.#failures.batch === batch && this.#failures.bugs >= POISON_AFTER;
    let decoded: DecodedTicks | undefined;
    // Asynchronous only in form, so that a bug while decoding fails the batch like any other failure.
    const submit = async (): Promise<Admission> => {
      decoded = poisoned ? keptWhole(ticks) : this.#decoder.decode(ticks, zone);
      return this.#gate.submit({
        ...this.#submission(batch, actor),
        incoming: { kind: "columns", batch: this.#feed.mapper.map(decoded.facts) },
        ...(decoded.unreadable.length > 0 ? { unreadable: decoded.unreadable } : {}),
      });
    };
    this.#wait(ticks.length);
    this.#track(
      submit().then(
        (admission) => {
          if (decoded) this.#decoder.durable(decoded.sides);
          this.lastDurable = Math.max(this.lastDurable, batch);
          this.#failures = { batch: 0, count: 0, bugs: 0 };
          this.#wait(-ticks.length);
          this.#events.durable(batch, admission);
        },
        (error: unknown) => {
          this.#wait(-ticks.length);
          this.#fail(batch, asMillpondError(error));
        },
      ),
    );
  }

  #repeat(batch: number, actor: string): void {
    const incoming = { kind: "columns", batch: this.#feed.mapper.map(emptyBatch(tickFacts)) } as const;
    this.#track(
      this.#gate.submit({ ...this.#submission(batch, actor), incoming }).then(
        (admission) => this.#events.durable(batch, { ...admission, repeated: true }),
        (error: unknown) => this.#fail(batch, asMillpondError(error)),
      ),
    );
  }

  #submission(batch: number, actor: string): Omit<Submission, "incoming"> {
    const dataset = this.#feed.mapper.dataset;
    return { dataset, feed: this.#feed.name, session: this.#session, batch, actor };
  }

  #fail(batch: number, error: MillpondError): void {
    if (this.#state === "recovering") return;
    this.#state = "recovering";
    const bug = error.spec.family === "bug";
    const same = this.#failures.batch === batch;
    const count = same ? this.#failures.count + 1 : 1;
    this.#failures = { batch, count, bugs: (same ? this.#failures.bugs : 0) + (bug ? 1 : 0) };
    this.#recovery = this.#landed().then(() => {
      this.#goBack();
      this.#rewind();
      const hopeless = !error.spec.retryable && !bug && error.code !== "batch_out_of_order";
      if (hopeless) this.#events.refused(error);
      else this.#events.rewind(batch, this.#expected, error, count);
    });
  }

  async #landed(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }
  #rewind(): void {
    this.#state = "rewinding";
    this.#ignored = 0;
  }
  #goBack(): void {
    this.lastDurable = Math.max(this.lastDurable, this.#gate.lastBatch(this.#feed.name, this.#session));
    this.#expected = this.lastDurable + 1;
    this.#decoder.rewind();
  }
  #wait(rows: number): void {
    this.waitingRows += rows;
    this.#events.waiting(this.waitingRows);
  }
  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work
      .catch((error: unknown) => this.#events.refused(asMillpondError(error)))
      .finally(() => this.#inFlight.delete(tracked));
    this.#inFlight.add(tracked);
  }
}

function outOfOrder(batch: number, expected: number): MillpondError {
  return fail("batch_out_of_order", { batch, last: expected - 1, expected });
}

function keptWhole(ticks: readonly unknown[]): DecodedTicks {
  const problem = "processing its batch failed repeatedly";
  const unreadable = ticks.map((row, place) => ({ place, raw: rawText(row), problem }));
  return { facts: emptyBatch(tickFacts), unreadable, sides: new Map() };
}
