/**
 * One subscription as its user sees it. What must hold: an event reaches the user only if it follows everything the
 * user has seen; after a lost link, a cut or a hole the subscription goes on from the cursor, so that each row comes
 * once and in order.
 */
import { fail, type MillpondError } from "../src/base/index.ts";
import { type Batch, createRowReader, emptyBatch, type Layout } from "../src/batch/index.ts";
import { type BinaryMessage, type Frame, frameFromJson, frameOfMessage } from "../src/subscribe/index.ts";
import { EventQueue } from "./event-queue.ts";
import { isBinary, type Link, type TextMessage } from "./link.ts";
import type { AnyRow, Stream, StreamEvent, StreamListener, SubscribeOptions } from "./types.ts";

/** Holes at one cursor before the stream gives up: the server is then wrong in a way that asking again does not mend. */
const MOST_HOLES = 3;

/** Which stream the frames of a channel belong to. */
export type Channels = Map<number, SubscribedStream>;

class RowsView {
  readonly #read: () => readonly AnyRow[];
  #rows: readonly AnyRow[] | undefined;
  constructor(frame: Frame, read: () => readonly AnyRow[]) {
    Object.assign(this, frame);
    this.#read = read;
  }
  get rows(): readonly AnyRow[] {
    this.#rows ??= this.#read();
    return this.#rows;
  }
}

export class SubscribedStream implements Stream<AnyRow> {
  readonly started: Promise<void>;
  cursor: number | undefined;
  layout: Layout | undefined;
  holes = 0;
  readonly #link: Link;
  readonly #channels: Channels;
  readonly #dataset: string;
  readonly #options: SubscribeOptions;
  readonly #listener: StreamListener<AnyRow> | undefined;
  readonly #queue: EventQueue<AnyRow> | undefined;
  readonly #onEnd: () => void;
  #begun: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #id = 0;
  #channel = 0;
  /** Frames of a position that is not complete yet. */
  #continued: Frame[] = [];
  #holesHere = 0;
  #ended = false;
  #paused = false;
  #empty: Batch | undefined;
  #readRows: ((batch: Batch) => AnyRow[]) | undefined;

  constructor(
    link: Link,
    channels: Channels,
    dataset: string,
    options: SubscribeOptions,
    listener: StreamListener<AnyRow> | undefined,
    onEnd: () => void,
  ) {
    this.#link = link;
    this.#channels = channels;
    this.#dataset = dataset;
    this.#options = options;
    this.#listener = listener;
    this.#onEnd = onEnd;
    if (typeof options.from === "number") this.cursor = options.from;
    if (options.from === "start") this.cursor = 0;
    const begun = Promise.withResolvers<void>();
    this.#begun = begun;
    this.started = begun.promise;
    // Who never looks at `started` hears of a refusal by the end of the stream.
    this.started.catch(() => {});
    this.#queue =
      listener === undefined ? new EventQueue(options.queueBytes ?? 32 * 1024 * 1024, () => this.#resume()) : undefined;
  }

  /** Asks the server, on the present connection, for everything after the cursor. */
  subscribe(): void {
    if (this.#ended || this.#paused || !this.#link.ready) return;
    this.#leave();
    const { where, fields, conflate, provisional } = this.#options;
    const id = this.#link.newId();
    this.#id = id;
    this.#continued = [];
    const from = this.cursor ?? this.#options.from ?? "now";
    const request = { type: "subscribe", id, dataset: this.#dataset, where, fields, from, conflate, provisional };
    this.#link.request(id, {
      answer: (message) => !isBinary(message) && this.#id === id && this.#subscribed(message),
      refuse: (error) => this.#id === id && this.#refused(error),
    });
    this.#link.sendText(JSON.stringify(request));
  }
  /** The connection is gone, and the channel with it. */
  lost(): void {
    this.#channels.delete(this.#channel);
    this.#channel = 0;
    this.#id = 0;
  }
  close(): void {
    if (!this.#ended) this.end();
  }
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#link.ready && this.#channel !== 0) this.#leave();
    this.#onEnd();
    const closed = error ?? fail("client_closed");
    this.#begun?.reject(closed);
    this.#queue?.end(error);
    this.#listener?.onEnd?.(error);
  }
  [Symbol.asyncIterator](): AsyncIterator<StreamEvent<AnyRow>> {
    if (this.#queue === undefined) throw fail("stream_unready", { type: "iterate", problem: "it has a listener" });
    return this.#queue.iterate(() => this.close());
  }

  frame(message: TextMessage | BinaryMessage): void {
    const { layout } = this;
    if (layout === undefined || this.#ended) return;
    this.#empty ??= emptyBatch(layout);
    const frame = isBinary(message)
      ? frameOfMessage(message, layout, this.#empty)
      : frameFromJson(message.type as Frame["kind"], message, layout);
    this.#take(frame);
  }

  #subscribed(message: TextMessage): void {
    this.layout = message.layout as Layout;
    this.#readRows ??= createRowReader(this.layout);
    this.#channel = message.channel as number;
    this.#channels.set(this.#channel, this);
    this.cursor ??= message.position as number;
    this.#begun?.resolve();
    this.#begun = undefined;
  }
  #refused(error: MillpondError): void {
    if (!error.spec.retryable) this.end(error);
    else this.#link.drop();
  }

  #take(frame: Frame): void {
    if (frame.kind === "provisional") {
      this.#emit(frame);
      return;
    }
    if (frame.kind === "cut") {
      this.#cut(frame);
      return;
    }
    const cursor = this.cursor ?? 0;
    if (frame.kind === "gap") {
      this.cursor = Math.max(cursor, frame.through);
      this.#emit(frame);
      return;
    }
    if (!(frame.previous <= cursor && cursor < frame.position)) {
      this.#hole(frame.previous, frame.position, cursor);
      return;
    }
    this.#continued.push(frame);
    if (frame.continued === true) return;
    const frames = this.#continued;
    this.#continued = [];
    this.#holesHere = 0;
    this.cursor = frame.position;
    for (const one of frames) this.#emit(one);
  }

  /** Rows are missing or come again: nothing of this frame is handed on, and the server is asked again. */
  #hole(previous: number, position: number, cursor: number): void {
    this.holes += 1;
    this.#holesHere += 1;
    if (this.#holesHere > MOST_HOLES) this.end(fail("stream_hole", { previous, position, cursor }));
    else this.subscribe();
  }
  #cut(frame: Frame & { kind: "cut" }): void {
    this.#channels.delete(this.#channel);
    this.#channel = 0;
    this.#emit(frame);
    if (frame.cause === "revoked") this.end(fail("scope_missing", { scope: "read" }));
    else if (frame.cause === "slow_consumer") this.subscribe();
    // After `shutdown` the link is lost, after `read_failed` it is dropped: both come back with a pause.
    else if (frame.cause === "read_failed") this.#link.drop();
  }

  #emit(frame: Frame): void {
    if (frame.kind === "rows" && frame.batch.count === 0 && frame.conflated === undefined) return;
    const event = this.#eventOf(frame);
    if (this.#listener !== undefined) {
      this.#listener.onEvent(event);
      return;
    }
    if (this.#queue?.push(event) === false && !this.#paused) {
      // The reader is behind: stop here and go on from the cursor when it has caught up.
      this.#paused = true;
      this.#leave();
    }
  }
  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.subscribe();
  }
  #eventOf(frame: Frame): StreamEvent<AnyRow> {
    if (!("batch" in frame)) return frame;
    const { batch } = frame;
    return new RowsView(frame, () => this.#readRows?.(batch) ?? []) as unknown as StreamEvent<AnyRow>;
  }

  #leave(): void {
    const id = this.#id;
    if (this.#channel !== 0) this.#channels.delete(this.#channel);
    this.#channel = 0;
    this.#id = 0;
    if (id !== 0 && this.#link.ready) this.#link.sendText(JSON.stringify({ type: "unsubscribe", id }));
  }
}
