/**
 * Appends, each stored exactly once. Batches are numbered within one session that outlives connections; the gate
 * answers a number it has seen with what became of it. What must hold: a number whose batch may have been stored never
 * comes to mean another batch. So numbers change only when every sent batch has its answer, and only behind a batch
 * that was refused, which therefore stored nothing, and behind which nothing else can have been stored.
 */
import { type Environment, fail, type MillpondError } from "../src/base/index.ts";
import { encodeMessage, MessageFlag, MessageKind } from "../src/subscribe/index.ts";
import { isBinary, type Link, type Pending, type TextMessage } from "./link.ts";
import type { Account, Appended, Rejection } from "./types.ts";

/** Batches under way at once, and waiting to be: beyond it an append is refused as `overloaded`. */
const WINDOW = 128;
const MOST_WAITING = 10_000;
const RETRY_MS = 50;
const MOST_RETRY_MS = 5_000;

export type Payload =
  | { readonly kind: "columns"; readonly bytes: Uint8Array; readonly rows: number }
  | { readonly kind: "json"; readonly text: string };

interface Entry {
  number: number;
  readonly dataset: string;
  readonly payload: Payload;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: MillpondError) => void;
}

export class Appender {
  readonly #link: Link;
  readonly #environment: Environment;
  /** Datasets in the order of their opening: the place is the handle, on every connection. */
  readonly #opened: string[] = [];
  /** Not answered for good, in the order of the calls. The first `#sent` of them are on the wire or refused for now. */
  #entries: Entry[] = [];
  #sent = 0;
  #underWay = 0;
  /** The last number that is known to be stored. */
  #stored = 0;
  #mending = false;
  #retryMs = 0;
  #stopTimer: (() => void) | undefined;

  constructor(link: Link, environment: Environment) {
    this.#link = link;
    this.#environment = environment;
  }

  /** The dataset was opened on this connection, behind those before it. */
  opened(dataset: string): void {
    if (!this.#opened.includes(dataset)) this.#opened.push(dataset);
  }

  append(dataset: string, payload: Payload): Promise<Appended> {
    return new Promise((resolve, reject) => {
      const { closed } = this.#link;
      if (closed !== undefined) reject(closed);
      else if (this.#entries.length >= MOST_WAITING) reject(fail("overloaded", { limit: MOST_WAITING }));
      else {
        const number = this.#stored + this.#entries.length + 1;
        this.#entries.push({ number, dataset, payload, resolve, reject });
        this.#pump();
      }
    });
  }

  /** A new connection: it learns the handles, then gets everything without an answer again, under the old numbers. */
  welcome(): void {
    for (const dataset of this.#opened) {
      this.#link.sendText(JSON.stringify({ type: "open", id: this.#link.newId(), dataset }));
    }
    this.#restart();
  }
  lost(): void {
    this.#underWay = 0;
  }
  end(error: MillpondError): void {
    this.#stopTimer?.();
    const entries = this.#entries;
    this.#entries = [];
    for (const { reject } of entries) reject(error);
  }

  #pump(): void {
    if (!this.#link.ready || this.#mending) return;
    while (this.#underWay < WINDOW && this.#sent < this.#entries.length) {
      const entry = this.#entries[this.#sent]!;
      this.#sent += 1;
      this.#underWay += 1;
      this.#send(entry);
    }
  }
  #send(entry: Entry): void {
    const id = this.#link.newId();
    const pending: Pending = {
      answer: (message) => this.#answered(entry, appendedOf(message, entry.payload)),
      refuse: (error) => this.#refused(entry, error),
    };
    this.#link.request(id, pending);
    const { payload, dataset, number } = entry;
    if (payload.kind === "json") {
      const head = JSON.stringify({ type: "append", id, dataset, batch: number });
      this.#link.sendText(`${head}\n${payload.text}`);
      return;
    }
    const handle = this.#opened.indexOf(dataset);
    this.#link.sendBytes(
      encodeMessage({ kind: MessageKind.append, handle, id, position: number, columns: payload.bytes }),
    );
  }

  #answered(entry: Entry, appended: Appended): void {
    this.#remove(entry);
    this.#stored = Math.max(this.#stored, entry.number);
    this.#retryMs = 0;
    entry.resolve(appended);
    this.#afterAnswer();
  }
  #refused(entry: Entry, error: MillpondError): void {
    if (this.#link.closed !== undefined) return;
    this.#mending = true;
    const { code, details } = error;
    if (code === "batch_out_of_order") {
      // Only when nothing before it failed does this say that the server knows other numbers than we do.
      if (this.#entries[0] === entry && typeof details.expected === "number") this.#stored = details.expected - 1;
    } else if (error.spec.retryable) {
      this.#retryMs = Math.min(MOST_RETRY_MS, Math.max(RETRY_MS, this.#retryMs * 2));
    } else {
      this.#remove(entry);
      entry.reject(error);
    }
    this.#afterAnswer();
  }
  #remove(entry: Entry): void {
    const place = this.#entries[0] === entry ? 0 : this.#entries.indexOf(entry);
    if (place === 0) this.#entries.shift();
    else if (place > 0) this.#entries.splice(place, 1);
    if (place >= 0) this.#sent -= 1;
  }
  #afterAnswer(): void {
    this.#underWay -= 1;
    if (!this.#mending) this.#pump();
    else if (this.#underWay === 0) this.#mend();
  }

  /** Every sent batch has its answer: what was refused for now is sent again, after a pause where that was asked for. */
  #mend(): void {
    const { timers, random } = this.#environment;
    if (this.#retryMs === 0) {
      this.#restart();
      return;
    }
    this.#stopTimer = timers.after(this.#retryMs * (0.5 + random.next() / 2), () => this.#restart());
  }
  #restart(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    if (!this.#link.ready) return;
    for (const [place, entry] of this.#entries.entries()) entry.number = this.#stored + place + 1;
    this.#sent = 0;
    this.#mending = false;
    this.#pump();
  }
}

const nothing = { duplicate: 0, quarantined: 0, late: 0, refused: 0 };

function appendedOf(message: Parameters<Pending["answer"]>[0], payload: Payload): Appended {
  if (!isBinary(message)) return textReceipt(message);
  const repeated = (message.flags & MessageFlag.repeated) !== 0;
  const told = message.meta as { account: Account; rejections: readonly Rejection[] } | undefined;
  const rows = payload.kind === "columns" ? payload.rows : message.previous;
  const account = told?.account ?? { received: rows, accepted: message.previous, ...nothing };
  return { position: message.position, account, rejections: told?.rejections ?? [], repeated };
}

function textReceipt({ position, account, rejections, repeated }: TextMessage): Appended {
  return {
    position: position as number,
    account: account as Account,
    rejections: rejections as readonly Rejection[],
    repeated: repeated === true,
  };
}
