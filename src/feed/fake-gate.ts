/** A gate for tests of feeds: keeps what was submitted, takes time, and fails when told to. Not part of the room. */
import { fail, type MillpondError } from "../base/index.ts";
import type { Layout, Row } from "../batch/index.ts";
import { rowsOf } from "../batch/index.ts";
import type { Admission, Gate, Submission } from "../gate/index.ts";
import type { Account, Receipt } from "../log/index.ts";

export interface SessionEvent {
  readonly feed: string;
  readonly session: string;
  readonly event: string;
  readonly watermark: number | undefined;
}

export class FakeGate implements Gate {
  /** Rows in the order in which they became durable. */
  readonly rows: Row[] = [];
  readonly unreadable: NonNullable<Submission["unreadable"]>[number][] = [];
  readonly events: SessionEvent[] = [];
  readonly admissions = new Map<string, Admission[]>();
  /** Awaited before a batch becomes durable. */
  delay: () => Promise<void> = async () => {};
  /** An error fails this submission instead. */
  fault: (submission: Submission) => MillpondError | Error | undefined = () => undefined;
  submissions = 0;
  mostWaitingRows = 0;
  #waitingRows = 0;
  #position = 0;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #layout: Layout;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  submit(submission: Submission): Promise<Admission> {
    this.submissions += 1;
    const rows = submission.incoming.kind === "columns" ? submission.incoming.batch.count : 0;
    this.#waitingRows += rows;
    this.mostWaitingRows = Math.max(this.mostWaitingRows, this.#waitingRows);
    const done = this.#turn.then(() => this.#admit(submission));
    this.#turn = done.catch(() => {});
    return done.finally(() => {
      this.#waitingRows -= rows;
    });
  }
  async #admit(submission: Submission): Promise<Admission> {
    const { feed, session, batch, incoming, unreadable = [] } = submission;
    await this.delay();
    const error = this.fault(submission);
    if (error) throw error;
    const key = `${feed} ${session}`;
    const done = this.admissions.get(key) ?? [];
    if (batch <= done.length) return { ...done[batch - 1]!, repeated: true };
    if (batch > done.length + 1)
      throw fail("batch_out_of_order", { batch, last: done.length, expected: done.length + 1 });
    if (incoming.kind !== "columns") throw new Error("the fake takes columns only");
    this.rows.push(...rowsOf(this.#layout, incoming.batch));
    this.unreadable.push(...unreadable);
    const admission: Admission = {
      receipt: this.#receipt(),
      account: account(incoming.batch.count, unreadable.length),
      rejections: unreadable.map(({ place }) => ({ place, outcome: "refused", code: "row_unreadable", message: "" })),
      repeated: false,
    };
    this.admissions.set(key, [...done, admission]);
    return admission;
  }
  async session(feed: string, session: string, event: "opened" | "idle" | "ended", watermark?: number) {
    this.events.push({ feed, session, event, watermark });
    return this.#receipt();
  }
  lastBatch(feed: string, session: string): number {
    return this.admissions.get(`${feed} ${session}`)?.length ?? 0;
  }
  retry(): Promise<Admission> {
    return Promise.reject(new Error("not faked"));
  }
  #receipt(): Receipt {
    return { position: ++this.#position, at: this.#position, hash: new Uint8Array(32) };
  }
}

function account(accepted: number, refused: number): Account {
  return { received: accepted + refused, accepted, duplicate: 0, quarantined: 0, late: 0, refused };
}
