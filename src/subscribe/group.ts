/**
 * The live subscribers of one shape. Each run of commits is evaluated and framed once for all of them. What must hold:
 * `last` is the position every live subscriber has been told of at least.
 */
import type { Batch } from "../batch/index.ts";
import type { Commit, Position } from "../log/index.ts";
import { createDelivery, progressFrame } from "./delivery.ts";
import type { Shape } from "./shape.ts";
import type { Subscriber } from "./subscriber.ts";
import type { Delivery, Frame, RowsFrame } from "./types.ts";

export class Group {
  readonly channel: number;
  readonly shape: Shape;
  last: Position;
  readonly members = new Set<Subscriber>();
  readonly #live = new Set<Subscriber>();
  readonly #onEmpty: () => void;

  constructor(channel: number, shape: Shape, last: Position, onEmpty: () => void) {
    this.channel = channel;
    this.shape = shape;
    this.last = last;
    this.#onEmpty = onEmpty;
  }
  join(subscriber: Subscriber): void {
    this.#live.add(subscriber);
  }
  leave(subscriber: Subscriber): void {
    this.#live.delete(subscriber);
    if (this.members.delete(subscriber) && this.members.size === 0) this.#onEmpty();
  }

  take(run: readonly Commit[]): void {
    if (this.#live.size === 0) return;
    const frames: RowsFrame[] = [];
    const bytes: (Uint8Array | undefined)[] = [];
    let previous = this.last;
    for (const commit of run) {
      const framed = this.shape.frame(commit, previous);
      if (framed.frames.length === 0) continue;
      for (let place = 0; place < framed.frames.length; place++) {
        frames.push(framed.frames[place]!);
        bytes.push(framed.bytes[place]);
      }
      previous = commit.position;
    }
    if (frames.length > 0) this.#deliver(createDelivery(this.channel, frames, bytes), previous, run);
  }

  /** Tells the live subscribers that nothing for them lies up to the head. */
  progress(head: Position): void {
    if (this.#live.size === 0 || this.last >= head) return;
    const frame = progressFrame(this.shape.layout, this.last, head);
    this.#deliver(createDelivery(this.channel, [frame]), head, []);
  }

  wantsProvisional(): boolean {
    for (const subscriber of this.#live) if (subscriber.wantsProvisional) return true;
    return false;
  }
  /** `whole` gives all open windows, for those who missed some of the changes. */
  provisional(asOf: Position, changed: Batch | undefined, whole: () => Batch | undefined): void {
    const changedDelivery = this.#provisionalDelivery(asOf, changed);
    let wholeDelivery: Delivery | undefined;
    for (const subscriber of this.#live) {
      if (!subscriber.wantsProvisional) continue;
      if (subscriber.isSlow()) subscriber.provisionalMissed = true;
      else if (subscriber.provisionalMissed) {
        wholeDelivery ??= this.#provisionalDelivery(asOf, whole());
        subscriber.provisionalMissed = false;
        if (wholeDelivery !== undefined) subscriber.provisional(wholeDelivery);
      } else if (changedDelivery !== undefined) subscriber.provisional(changedDelivery);
    }
  }
  #provisionalDelivery(asOf: Position, batch: Batch | undefined): Delivery | undefined {
    if (batch === undefined || batch.count === 0) return undefined;
    const kept = this.shape.project(batch, this.shape.pass(batch));
    if (kept.count === 0) return undefined;
    const frame: Frame = { kind: "provisional", asOf, batch: kept, layout: this.shape.layout };
    return createDelivery(this.channel, [frame]);
  }

  #deliver(delivery: Delivery, through: Position, run: readonly Commit[]): void {
    this.last = through;
    for (const subscriber of this.#live) subscriber.deliver(delivery, through, run);
  }
}
