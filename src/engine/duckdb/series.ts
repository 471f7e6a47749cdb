/**
 * The series view as the main thread sees it: it only posts messages. Bytes of runs are copied once, into a buffer
 * that moves to the worker; when too many wait there, `apply` resolves later.
 */
import { Worker } from "node:worker_threads";
import { type Environment, fail, type MillpondError } from "../../base/index.ts";
import { type Batch, decodeBatch, encodeBatch, type Layout } from "../../batch/index.ts";
import type { ContractVersion } from "../../contract/index.ts";
import type { Commit, Position } from "../../log/index.ts";
import type { QueryEngine, Statement, StoredTable } from "../../query/index.ts";
import type { View } from "../../view/index.ts";
import { VIEW_NAME } from "./file.ts";
import { storedTableOf } from "./names.ts";
import { type FromWorker, packRun, type Request, type StoreState, type ToWorker } from "./protocol.ts";

export interface DuckdbSeriesOptions {
  readonly file: string;
  readonly environment: Pick<Environment, "logger">;
  /** For queries; default 2. */
  readonly threads?: number;
  /** As DuckDB writes it; default `1GB`. */
  readonly memoryLimit?: string;
  /** What is gathered is committed after so many rows … default 491,520, four of DuckDB's row groups. */
  readonly commitRows?: number;
  /** … or so many milliseconds after the first of them. Default 1,000. */
  readonly commitMs?: number;
  /** Bytes of runs that may wait in the worker before `apply` holds its caller back. Default 32 MiB. */
  readonly waitingBytes?: number;
  /** Distinct texts of a column that are kept in memory; with more, the column is stored as text. Default 100,000. */
  readonly dictionaryTexts?: number;
  /** Most rows of one answer. Default 1,000,001. */
  readonly maxRows?: number;
}

export interface DuckdbSeriesFigures {
  /** Since open. */
  readonly rows: number;
  readonly commits: number;
  readonly failures: number;
  readonly lastCommitMs: number;
  readonly waitingBytes: number;
}

export interface DuckdbSeries extends View, QueryEngine {
  /**
   * Stored rows whose key is that of one of the given rows (a batch in the newest contract's layout) and whose event
   * time lies in [from, through] microseconds, in log order, everything applied so far seen, durable or not. In
   * datasets that are corrected only the newest revision of each. With `atTheirTimes` the event time must also be that
   * of one of the given rows, so that two far ones do not bring everything between them.
   */
  storedRows(dataset: string, keysOf: Batch, from: number, through: number, atTheirTimes?: boolean): Promise<Batch>;
  figures(): DuckdbSeriesFigures;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** @throws `view_corrupt` (drop the file, the log fills it again), `view_locked` */
export function openDuckdbSeries(options: DuckdbSeriesOptions): Promise<DuckdbSeries> {
  return WorkerSeries.open(options);
}

const workerFile = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);

class WorkerSeries implements DuckdbSeries {
  readonly name = VIEW_NAME;
  readonly #worker: Worker;
  readonly #options: DuckdbSeriesOptions;
  readonly #waitingLimit: number;
  #state: StoreState = { position: 0, hash: "", tables: [] };
  #tables = new Map<string, StoredTable>();
  #position: Position = 0;
  #epoch = 0;
  /** How often the view was emptied, and how often applied rows were lost at all: what was read meanwhile lacks them. */
  #drops = 0;
  #losses = 0;
  /** While the view is being emptied, whatever the worker last said of itself. */
  #dropping: { said: StoreState | undefined } | undefined;
  #nextId = 1;
  readonly #requests = new Map<number, Waiting>();
  #waitingBytes = 0;
  #heldBack: (() => void)[] = [];
  readonly #failureListeners = new Set<(error: MillpondError) => void>();
  #ended: MillpondError | undefined;
  #rows = 0;
  #commits = 0;
  #failures = 0;
  #lastCommitMs = 0;

  static open(options: DuckdbSeriesOptions): Promise<DuckdbSeries> {
    const worker = new Worker(workerFile, {
      workerData: {
        file: options.file,
        threads: options.threads ?? 2,
        memoryLimit: options.memoryLimit ?? "1GB",
        commitRows: options.commitRows ?? 491_520,
        commitMs: options.commitMs ?? 1000,
        dictionaryTexts: options.dictionaryTexts ?? 100_000,
      },
    });
    const series = new WorkerSeries(worker, options);
    return new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", (message: FromWorker) => {
        worker.off("error", reject);
        if (message.kind === "opened") {
          series.#start(message.state);
          resolve(series);
        } else if (message.kind === "openFailed") reject(fail(message.error.code, message.error.details));
      });
    });
  }
  private constructor(worker: Worker, options: DuckdbSeriesOptions) {
    this.#worker = worker;
    this.#options = options;
    this.#waitingLimit = options.waitingBytes ?? 32 * 1024 * 1024;
  }
  #start(state: StoreState): void {
    this.#setState(state);
    this.#position = state.position;
    this.#worker.on("message", (message: FromWorker) => this.#hear(message));
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", () => this.#end(undefined));
  }
  #setState(state: StoreState): void {
    this.#state = state;
    this.#tables = new Map(state.tables.map((table) => [table.dataset, storedTableOf(table)]));
  }

  get position(): Position {
    return this.#position;
  }
  get durablePosition(): Position {
    return this.#state.position;
  }
  get durableHash(): string {
    return this.#state.hash;
  }
  table(dataset: string): StoredTable | undefined {
    return this.#tables.get(dataset);
  }
  figures(): DuckdbSeriesFigures {
    return {
      rows: this.#rows,
      commits: this.#commits,
      failures: this.#failures,
      lastCommitMs: this.#lastCommitMs,
      waitingBytes: this.#waitingBytes,
    };
  }

  async declare(contract: ContractVersion): Promise<void> {
    this.#setState((await this.#ask({ kind: "declare", contract })) as StoreState);
  }
  async apply(run: readonly Commit[]): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    const first = run[0]?.position;
    if (first === undefined) return;
    const through = run[run.length - 1]!.position;
    if (first !== this.#position + 1 || through - first !== run.length - 1) {
      throw fail("view_gap", { view: this.name, position: this.#position, first });
    }
    const packed = packRun(run);
    const bytes = packed.bytes.length;
    this.#waitingBytes += bytes;
    this.#position = through;
    this.#post({ kind: "apply", epoch: this.#epoch, run: packed }, [packed.bytes.buffer, packed.numbers.buffer]);
    while (this.#waitingBytes > this.#waitingLimit && this.#ended === undefined) {
      await new Promise<void>((resolve) => this.#heldBack.push(resolve));
    }
  }
  async flush(): Promise<void> {
    const target = this.#position;
    const epoch = this.#epoch;
    await this.#ask({ kind: "flush" });
    if (this.#epoch !== epoch && this.durablePosition < target) throw this.#lost();
  }
  onFailure(listener: (error: MillpondError) => void): () => void {
    this.#failureListeners.add(listener);
    return () => this.#failureListeners.delete(listener);
  }
  /** Holds nothing from here on, not only when the worker is through: a reader must not take what it held for granted. */
  async drop(): Promise<void> {
    const dropping: { said: StoreState | undefined } = { said: undefined };
    this.#drops += 1;
    this.#losses += 1;
    this.#dropping = dropping;
    this.#setState({ position: 0, hash: "", tables: [] });
    this.#position = 0;
    try {
      await this.#ask({ kind: "drop" });
    } finally {
      this.#dropping = undefined;
      if (dropping.said !== undefined) {
        this.#setState(dropping.said);
        this.#position = dropping.said.position;
      }
    }
  }
  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    try {
      await this.#ask({ kind: "close" });
    } finally {
      this.#ended ??= fail("view_closed", { view: this.name });
      await this.#worker.terminate();
    }
  }

  async select(statement: Statement, layout: Layout, signal?: AbortSignal): Promise<Batch> {
    const maxRows = this.#options.maxRows ?? 1_000_001;
    const asked = this.#ask({ kind: "select", statement, layout, maxRows }, signal);
    return this.#unlessRaised(() => this.#drops, asked);
  }
  async storedRows(
    dataset: string,
    keysOf: Batch,
    from: number,
    through: number,
    atTheirTimes = false,
  ): Promise<Batch> {
    const request = { dataset, keysOf: encodeBatch(keysOf), from, through, atTheirTimes };
    return this.#unlessRaised(() => this.#losses, this.#ask({ kind: "storedRows", request }));
  }
  async *scan(dataset: string, through: Position = this.durablePosition): AsyncGenerator<Batch> {
    const scan = this.#nextId;
    await this.#ask({ kind: "scanStart", dataset, through });
    try {
      for (;;) {
        const bytes = (await this.#ask({ kind: "scanNext", scan })) as Uint8Array | undefined;
        if (bytes === undefined) return;
        yield decodeBatch(bytes);
      }
    } finally {
      await this.#ask({ kind: "scanEnd", scan });
    }
  }

  /** The worker cannot know that it was asked for rows which it has lost by then; who asks again finds them. */
  async #unlessRaised(count: () => number, asked: Promise<unknown>): Promise<Batch> {
    const before = count();
    const bytes = await asked.catch((error: unknown) => {
      throw count() === before ? error : this.#lost();
    });
    if (count() !== before) throw this.#lost();
    return decodeBatch(bytes as Uint8Array);
  }
  #lost(): MillpondError {
    return fail("view_failed", { view: this.name, position: this.durablePosition });
  }
  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
  #ask(request: Request, signal?: AbortSignal): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#post({ kind: "cancel", id });
        this.#requests.delete(id);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      const done = (): void => signal?.removeEventListener("abort", onAbort);
      this.#requests.set(id, {
        resolve: (value) => {
          done();
          resolve(value);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      this.#post({ kind: "request", id, request });
    });
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case "answer":
        this.#requests.get(message.id)?.resolve(message.value);
        this.#requests.delete(message.id);
        return;
      case "refusal":
        this.#requests.get(message.id)?.reject(fail(message.error.code, message.error.details));
        this.#requests.delete(message.id);
        return;
      case "taken":
        this.#waitingBytes -= message.bytes;
        if (this.#waitingBytes <= this.#waitingLimit) this.#release();
        return;
      case "durable":
        this.#takeState(message.state);
        this.#rows += message.figures.rows;
        this.#commits += 1;
        this.#lastCommitMs = message.figures.elapsedMs;
        return;
      case "failed":
        this.#takeState(message.state);
        if (this.#dropping === undefined) this.#position = message.state.position;
        this.#epoch += 1;
        this.#losses += 1;
        this.#failures += 1;
        this.#options.environment.logger.log("error", "view_failed", { view: this.name, problem: message.problem });
        for (const listener of this.#failureListeners) listener(this.#lost());
        return;
    }
  }
  #takeState(state: StoreState): void {
    if (this.#dropping === undefined) this.#setState(state);
    else this.#dropping.said = state;
  }
  #release(): void {
    for (const resume of this.#heldBack.splice(0)) resume();
  }
  #end(error: unknown): void {
    this.#ended ??= fail("view_closed", { view: this.name }, error);
    for (const { reject } of this.#requests.values()) reject(this.#ended);
    this.#requests.clear();
    this.#release();
  }
}
