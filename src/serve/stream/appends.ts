/**
 * Appends of one connection. What must hold: batches reach the gate in the order they were sent; no more than the
 * limit is under way, and beyond it the connection is not read on; every append is answered once.
 */
import { asMillpondError, type MillpondError } from "../../base/index.ts";
import { decodeBatch } from "../../batch/index.ts";
import type { Admission, Incoming } from "../../gate/index.ts";
import { type BinaryMessage, type BinaryParts, MessageFlag, MessageKind } from "../../subscribe/index.ts";
import type { PoolDoor, Principal } from "../types.ts";

/** More rejections than this stay in the quarantine, to be read there. */
const MOST_REJECTIONS = 1_000;

export interface AppendContext {
  readonly door: PoolDoor;
  readonly feed: string;
  /** Reads no further, or reads on. */
  readonly pause: (paused: boolean) => void;
  readonly mostWaiting: number;
  answer(id: number, admission: Admission): void;
  refuse(id: number, error: MillpondError): void;
}

export class Appends {
  /** Appends that are not answered yet. */
  waiting = 0;
  readonly #context: AppendContext;
  /** Not read on until some are answered. */
  paused = false;
  #idle: (() => void)[] = [];

  constructor(context: AppendContext) {
    this.#context = context;
  }

  submit(principal: Principal, session: string, id: number, dataset: string, batch: number, incoming: Incoming): void {
    const { door, feed } = this.#context;
    this.#begin();
    const submission = { dataset, feed, session, batch, actor: principal.id, incoming };
    let admitted: Promise<Admission>;
    try {
      admitted = door.submit(submission);
    } catch (error) {
      admitted = Promise.reject(error);
    }
    admitted.then(
      (admission) => {
        this.#context.answer(id, admission);
        this.#end();
      },
      (error: unknown) => {
        this.#context.refuse(id, asMillpondError(error));
        this.#end();
      },
    );
  }

  /** Resolves when every append has its answer. */
  async settled(): Promise<void> {
    if (this.waiting > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #begin(): void {
    this.waiting += 1;
    if (!this.paused && this.waiting >= this.#context.mostWaiting) this.#pause(true);
  }
  #end(): void {
    this.waiting -= 1;
    if (this.paused && this.waiting <= this.#context.mostWaiting / 2) this.#pause(false);
    if (this.waiting === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
  #pause(paused: boolean): void {
    this.paused = paused;
    this.#context.pause(paused);
  }
}

/** What a binary append holds. @throws `batch_malformed` */
export function incomingOf(message: BinaryMessage): Incoming {
  return { kind: "columns", batch: decodeBatch(message.columns ?? new Uint8Array(0)) };
}

const notAccepted = ({ account, rejections }: Admission) => ({
  account,
  rejections: rejections.slice(0, MOST_REJECTIONS),
});

/** Of a batch that was accepted whole, the header says all; of one whose account is forgotten, it would say too much. */
export function receiptParts(id: number, admission: Admission): BinaryParts {
  const { account, receipt, repeated } = admission;
  const isWhole = account.accepted === account.received && account.received > 0;
  return {
    kind: MessageKind.receipt,
    flags: repeated ? MessageFlag.repeated : 0,
    id,
    position: receipt.position,
    previous: account.accepted,
    ...(!isWhole && { meta: notAccepted(admission) }),
  };
}

export function receiptText(id: number, admission: Admission): string {
  const { receipt, repeated } = admission;
  const head = `{"type":"receipt","id":${id},"position":${receipt.position},"repeated":${repeated},`;
  return head + JSON.stringify(notAccepted(admission)).slice(1);
}
