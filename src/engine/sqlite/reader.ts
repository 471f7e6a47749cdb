/** The main thread's side of reading: requests by number, answered by the reading worker in any order. */
import { Worker } from "node:worker_threads";
import { fail, type MillpondError } from "../../base/index.ts";
import { type Commit, type Head, type Position, type ReadLimit, readStoredCommit } from "../../log/index.ts";
import type { FromReader, ToReader } from "./messages.ts";
import type { Fault } from "./verify.ts";

interface Request {
  readonly resolve: (answer: FromReader) => void;
  readonly reject: (error: MillpondError) => void;
  readonly onProgress: ((position: Position) => void) | undefined;
}

type Body<T> = T extends unknown ? Omit<T, "id"> : never;

export class ReaderClient {
  readonly #databasePath: string;
  /** Started by the first request: a process that only writes does without. */
  #worker: Worker | undefined;
  readonly #requests = new Map<number, Request>();
  #lastId = 0;
  #ended: MillpondError | undefined;

  constructor(databasePath: string) {
    this.#databasePath = databasePath;
  }
  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const file = import.meta.url.endsWith(".ts") ? "./reader-worker.ts" : "./reader-worker.js";
    const worker = new Worker(new URL(file, import.meta.url), { workerData: { databasePath: this.#databasePath } });
    worker.on("message", (answer: FromReader) => this.#hear(answer));
    worker.on("error", (error) => this.#lost(worker, fail("internal", {}, error)));
    worker.on("exit", () => this.#lost(worker, fail("log_closed")));
    this.#worker = worker;
    return worker;
  }

  async read(after: Position, limit: ReadLimit): Promise<readonly Commit[]> {
    const answer = await this.#ask({ kind: "read", after, limit });
    return answer.kind === "commits" ? answer.commits.map(readStoredCommit) : [];
  }
  async positionAt(at: number, through: Position): Promise<Position> {
    const answer = await this.#ask({ kind: "positionAt", at, through });
    return answer.kind === "position" ? answer.position : 0;
  }
  async verify(
    from: Position,
    head: Head,
    onProgress: ((position: Position) => void) | undefined,
  ): Promise<Fault | undefined> {
    const answer = await this.#ask({ kind: "verify", from, through: head.position, hash: head.hash }, onProgress);
    return answer.kind === "verified" ? answer.fault : undefined;
  }
  async close(): Promise<void> {
    if (this.#worker !== undefined) await this.#ask({ kind: "close" }).catch(() => undefined);
    this.#end(fail("log_closed"));
  }

  #ask(body: Body<ToReader>, onProgress?: (position: Position) => void): Promise<FromReader> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject, onProgress });
      this.#started().postMessage({ ...body, id } satisfies ToReader);
    });
  }
  #hear(answer: FromReader): void {
    const request = this.#requests.get(answer.id);
    if (request === undefined) return;
    if (answer.kind === "progress") {
      request.onProgress?.(answer.position);
      return;
    }
    this.#requests.delete(answer.id);
    if (answer.kind === "failed") request.reject(fail(answer.code, answer.details));
    else request.resolve(answer);
  }
  /** What was asked of a thread that ended has no answer; the next request starts another. */
  #lost(worker: Worker, error: MillpondError): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#rejectAll(error);
  }
  #end(error: MillpondError): void {
    this.#ended ??= error;
    this.#rejectAll(this.#ended);
  }
  #rejectAll(error: MillpondError): void {
    for (const { reject } of this.#requests.values()) reject(error);
    this.#requests.clear();
  }
}
