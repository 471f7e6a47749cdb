/**
 * One subscription on its way: catching up from the log, then live, for a while conflating, at last ended. What must
 * hold: `cursor` is exactly what was handed to the sink; a subscriber joins the live run of its group in the same turn
 * in which it saw that nothing is missing; a slow sink costs a bounded amount of memory and nobody else's time.
 */
import { asMillpondError, assert, type Logger } from "../base/index.ts";
import type { Layout } from "../batch/index.ts";
import type { Commit, Position } from "../log/index.ts";
import { Conflation } from "./conflate.ts";
import { createDelivery, progressFrame } from "./delivery.ts";
import type { Shape } from "./shape.ts";
import type { CutFrame, Delivery, Frame, HubLimits, Sink, StreamSource, Subscription } from "./types.ts";

/** What a subscriber shares with its hub. */
export interface Shared {
  readonly source: StreamSource;
  readonly limits: HubLimits;
  readonly logger: Logger;
  /** Position up to which commits were handed to the groups. */
  head: Position;
  deliveries: number;
  rows: number;
  conflatedRows: number;
  cutSlow: number;
}

/** The live run that a subscriber joins; see `group.ts`. */
export interface LiveRun {
  readonly channel: number;
  readonly shape: Shape;
  readonly last: Position;
  join(subscriber: Subscriber): void;
  leave(subscriber: Subscriber): void;
}

export class Subscriber implements Subscription {
  readonly position: Position;
  readonly wantsProvisional: boolean;
  /** Missed a provisional frame (or never had one): the next is to be whole. */
  provisionalMissed = true;
  cursor: Position;
  state: Subscription["state"] = "catching_up";
  readonly #group: LiveRun;
  readonly #sink: Sink;
  readonly #shared: Shared;
  readonly #conflate: boolean;
  #conflation: Conflation | undefined;

  constructor(
    group: LiveRun,
    sink: Sink,
    shared: Shared,
    from: Position,
    wants: { conflate: boolean; provisional: boolean },
  ) {
    this.#group = group;
    this.#sink = sink;
    this.#shared = shared;
    this.#conflate = wants.conflate;
    this.wantsProvisional = wants.provisional;
    this.position = from;
    this.cursor = from;
  }
  get channel(): number {
    return this.#group.channel;
  }
  get layout(): Layout {
    return this.#group.shape.layout;
  }
  close(): void {
    if (this.state === "ended") return;
    this.state = "ended";
    this.#conflation = undefined;
    this.#group.leave(this);
  }

  /** A live delivery; `run` holds the commits it was made from. */
  deliver(delivery: Delivery, through: Position, run: readonly Commit[]): void {
    // Who joined after the shape's last frame was told of the head then; progress up to there is no news.
    if (through <= this.cursor) return;
    if (this.state === "live" && this.#sink.bufferedBytes() > this.#shared.limits.bufferedBytes) {
      if (!this.#conflate) {
        this.cut("slow_consumer");
        return;
      }
      this.state = "conflating";
      this.#conflation = new Conflation(this.#group.shape.contract, this.layout);
      this.#sink.onceDrained(() => this.#resume());
    }
    if (this.#conflation !== undefined) this.#keep(this.#conflation, run);
    else if (this.#send(delivery)) this.cursor = through;
  }

  isSlow(): boolean {
    return this.#sink.bufferedBytes() > this.#shared.limits.catchUpBytes;
  }
  /** A frame beside the positions. */
  provisional(delivery: Delivery): void {
    this.#send(delivery);
  }

  cut(cause: CutFrame["cause"]): void {
    if (this.state === "ended") return;
    if (cause === "slow_consumer") this.#shared.cutSlow += 1;
    this.close();
    this.#send(createDelivery(this.channel, [{ kind: "cut", cursor: this.cursor, cause }]));
  }

  /** Reads what lies between the cursor and the live run, then joins the live run. Never rejects. */
  async catchUp(): Promise<void> {
    try {
      let seen = this.cursor;
      // The caller is to know the subscription before it gets a frame.
      await Promise.resolve();
      while (this.state === "catching_up") {
        if (this.isSlow()) {
          await new Promise<void>((resolve) => this.#sink.onceDrained(resolve));
          continue;
        }
        if (seen >= this.#shared.head) return this.#join(seen);
        seen = await this.#readOn(seen);
      }
    } catch (error) {
      const { code } = asMillpondError(error);
      this.#shared.logger.log("warn", "subscription catch-up failed", { dataset: this.#group.shape.dataset, code });
      this.cut("read_failed");
    }
  }

  /** @returns the position up to which nothing is left to send */
  async #readOn(seen: Position): Promise<Position> {
    const { source, limits } = this.#shared;
    const { shape } = this.#group;
    // Commits after this position come live, or in the next read: a store may show them before their tap was called.
    const head = this.#shared.head;
    const limit = { commits: limits.catchUpCommits, bytes: limits.catchUpBytes, datasets: [shape.dataset] };
    const commits = (await source.read(seen, limit)).filter(({ position }) => position > seen && position <= head);
    if (this.state !== "catching_up") return seen;
    let cursor = this.cursor;
    const frames: Frame[] = [];
    const bytes: (Uint8Array | undefined)[] = [];
    for (const commit of commits) {
      const framed = shape.frame(commit, cursor);
      if (framed.frames.length === 0) continue;
      frames.push(...framed.frames);
      bytes.push(...framed.bytes);
      cursor = commit.position;
    }
    if (frames.length > 0 && this.#send(createDelivery(this.channel, frames, bytes))) this.cursor = cursor;
    return commits.length === 0 ? head : commits.at(-1)!.position;
  }

  #join(seen: Position): void {
    if (seen > this.cursor) this.#progress(seen);
    if (this.state !== "catching_up") return;
    this.state = "live";
    this.#group.join(this);
  }

  #progress(position: Position): void {
    const frame = progressFrame(this.layout, this.cursor, position);
    if (this.#send(createDelivery(this.channel, [frame]))) this.cursor = position;
  }

  #keep(conflation: Conflation, run: readonly Commit[]): void {
    for (const commit of run) this.#group.shape.conflate(commit, conflation);
    if (conflation.keys > this.#shared.limits.conflatedKeys) this.cut("slow_consumer");
  }

  /** The sink has taken what it had: it gets the newest rows, and is live again. */
  #resume(): void {
    const conflation = this.#conflation;
    if (this.state !== "conflating" || conflation === undefined) return;
    if (this.isSlow()) {
      this.#sink.onceDrained(() => this.#resume());
      return;
    }
    const { rows: received } = conflation;
    const batch = conflation.take(this.layout);
    const conflated = received - batch.count;
    const through = this.#group.last;
    assert(through > this.cursor, "a conflating subscription has something to tell");
    const after = this.cursor;
    const frames: Frame[] = [
      { kind: "rows", position: through, previous: after, operation: "append", batch, layout: this.layout, conflated },
    ];
    if (conflated > 0) frames.push({ kind: "gap", after, through, cause: "conflated" });
    this.#conflation = undefined;
    this.state = "live";
    this.#shared.conflatedRows += conflated;
    if (this.#send(createDelivery(this.channel, frames))) this.cursor = through;
  }

  #send(delivery: Delivery): boolean {
    try {
      this.#sink.send(delivery);
    } catch (error) {
      const { code } = asMillpondError(error);
      this.#shared.logger.log("warn", "a subscriber's sink failed", { dataset: this.#group.shape.dataset, code });
      // What could not be encoded or taken is told, if the sink takes that much; it never just stops.
      this.cut("read_failed");
      return false;
    }
    this.#shared.deliveries += 1;
    this.#shared.rows += delivery.rows;
    return true;
  }
}
