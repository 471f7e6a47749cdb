/** An open pool: what programs hold, and the door that servers are given. */
import { fail, Histogram } from "../base/index.ts";
import { type BridgeServer, createBridgeServer, type FeedStatus, tickMapper } from "../feed/index.ts";
import type { Admission, Gate, Submission } from "../gate/index.ts";
import type { Answer, Plan } from "../query/index.ts";
import { type Authenticator, createServer, type PoolDoor, type Server } from "../serve/index.ts";
import type { Frame, SubscriptionRequest } from "../subscribe/index.ts";
import type { LatestRow } from "../view/index.ts";
import type { PoolDefinition } from "./definition.ts";
import { type Explanation, explainRow } from "./explain.ts";
import { importFile } from "./imports.ts";
import { openParts, type PoolOptions, type PoolParts, provisionalOf } from "./open.ts";
import { discardRows } from "./quarantine.ts";
import { createStatus, type Status } from "./status.ts";
import { type PoolVerification, verifyPool } from "./verify.ts";

export interface ListenOptions {
  readonly authenticator: Authenticator;
  /** Default 127.0.0.1; an address that others can reach needs `allowPublic`. */
  readonly host?: string;
  /** Default 8000; 0 for any free one. */
  readonly port?: number;
  readonly allowPublic?: boolean;
  /** Origins of other sites whose pages may connect. */
  readonly origins?: readonly string[];
  /** Names by which the server may be called, where they are not those of this machine. */
  readonly hosts?: readonly string[];
  /** Where terminals dial in; absent: no bridge. 0 for any free one. */
  readonly bridgePort?: number;
}

export interface Listening {
  readonly url: string;
  readonly bridgeUrl: string | undefined;
}

/** A batch that has become durable, for whoever measures its way. */
export interface Admitted {
  readonly feed: string;
  readonly position: number;
  /** When it was handed to the gate, by the pool's clock. */
  readonly submittedMs: number;
}

export interface Pool {
  readonly definition: PoolDefinition;
  /** What servers need; the same that `listen` gives to the built-in one. */
  readonly door: PoolDoor;
  /** For feeds that run in this process, such as imports. */
  readonly gate: Gate;
  submit(submission: Submission): Promise<Admission>;
  /** Told of every batch that was stored, whatever door it came through. */
  onAdmitted(listener: (admitted: Admitted) => void): () => void;
  /** The newest row of a key, from memory. */
  latest(dataset: string, ...key: readonly (string | number | boolean)[]): LatestRow | undefined;
  query(plan: Plan, signal?: AbortSignal): Promise<Answer>;
  subscribe(request: SubscriptionRequest, signal?: AbortSignal): AsyncIterableIterator<Frame>;
  explain(dataset: string, key: readonly (string | number | boolean)[], at?: number): Promise<Explanation>;
  verify(onProgress?: (done: number, of: number) => void): Promise<PoolVerification>;
  /** Opens the doors: the API and, where asked for, the bridge. @throws `bind_refused` and what the system refuses with */
  listen(options: ListenOptions): Promise<Listening>;
  /** Doors first, then what is under way becomes durable, then everything is saved and closed. */
  close(): Promise<void>;
}

/** @throws what the log, a contract or a view refuses to open with; nothing stays open then. */
export async function openPool(definition: PoolDefinition, options: PoolOptions): Promise<Pool> {
  return new OpenPool(await openParts(definition, options));
}

class OpenPool implements Pool {
  readonly definition: PoolDefinition;
  readonly door: PoolDoor;
  readonly gate: Gate;
  readonly #parts: PoolParts;
  readonly #durable = new Map<string, Histogram>();
  readonly #status: Status;
  readonly #admitted = new Set<(admitted: Admitted) => void>();
  #server: Server | undefined;
  #bridge: BridgeServer | undefined;
  #closing: Promise<void> | undefined;
  /** The doors are shut: who goes on handing rows in from this process would keep the closing from ending. */
  #shut = false;
  /** The last decision on kept rows: the next must see what it resolved. */
  #decided: Promise<unknown> = Promise.resolve();

  constructor(parts: PoolParts) {
    this.#parts = parts;
    this.definition = parts.definition;
    this.gate = this.#timedGate();
    this.#status = createStatus({ parts, feeds: () => this.#feeds(), durable: this.#durable });
    this.door = this.#makeDoor();
  }

  submit(submission: Submission): Promise<Admission> {
    return this.gate.submit(submission);
  }
  onAdmitted(listener: (admitted: Admitted) => void): () => void {
    this.#admitted.add(listener);
    return () => this.#admitted.delete(listener);
  }
  latest(dataset: string, ...key: readonly (string | number | boolean)[]): LatestRow | undefined {
    return this.#parts.latest.get(dataset, key);
  }
  query(plan: Plan, signal?: AbortSignal): Promise<Answer> {
    return this.#parts.query.run(plan, signal ? { signal } : {});
  }
  subscribe(request: SubscriptionRequest, signal?: AbortSignal): AsyncIterableIterator<Frame> {
    return this.#parts.hub.iterate(request, signal);
  }
  explain(dataset: string, key: readonly (string | number | boolean)[], at?: number): Promise<Explanation> {
    return explainRow(this.#parts, dataset, key, at);
  }
  verify(onProgress?: (done: number, of: number) => void): Promise<PoolVerification> {
    return verifyPool(this.#parts, onProgress);
  }

  async listen({ authenticator, bridgePort, ...options }: ListenOptions): Promise<Listening> {
    const { environment, hub } = this.#parts;
    const host = options.host ?? "127.0.0.1";
    this.#server = createServer({ door: this.door, authenticator, environment, hub, ...options });
    await this.#server.listen();
    if (bridgePort === undefined) return { url: this.#server.url, bridgeUrl: undefined };
    this.#bridge = this.#createBridge(authenticator);
    const { port } = await this.#bridge.listen({ host, port: bridgePort });
    return { url: this.#server.url, bridgeUrl: `ws://${host}:${port}` };
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#bridge?.close();
      await this.#server?.close();
      this.#shut = true;
      await this.#parts.close();
    })();
    return this.#closing;
  }

  #feeds(): readonly FeedStatus[] {
    return this.#bridge?.status() ?? [];
  }
  #createBridge(authenticator: Authenticator): BridgeServer {
    const { definition, environment, contracts } = this.#parts;
    const feeds = definition.feeds.filter(({ kind }) => kind === "bridge");
    return createBridgeServer({
      gate: this.gate,
      environment,
      feeds: feeds.map(({ name, dataset, columns, simulated = false }) => ({
        name,
        simulated,
        mapper: tickMapper(dataset, contracts.current.get(dataset)!.contract.layout, columns),
      })),
      authenticate: (token) => {
        const principal = authenticator.authenticate(token);
        return principal?.scopes.includes("write") ? { name: principal.id } : undefined;
      },
    });
  }
  /** The gate, with the time from submission to receipt noted per feed: one clock reading each way a batch. */
  #timedGate(): Gate {
    const { gate, environment, definition } = this.#parts;
    for (const { name } of definition.feeds) this.#durable.set(name, new Histogram());
    return {
      submit: async (submission) => {
        if (this.#shut) throw fail("log_closed");
        const startMs = environment.clock.monotonicMs();
        const admission = await gate.submit(submission);
        this.#durable.get(submission.feed)?.record(environment.clock.monotonicMs() - startMs);
        if (!admission.repeated) {
          const { position } = admission.receipt;
          for (const tell of this.#admitted) tell({ feed: submission.feed, position, submittedMs: startMs });
        }
        return admission;
      },
      session: (feed, session, event, watermark) => gate.session(feed, session, event, watermark),
      lastBatch: (feed, session) => gate.lastBatch(feed, session),
      retry: (ids, actor) => this.#inTurn(() => gate.retry(ids, actor)),
    };
  }
  /** Retries and discards of kept rows, one after the other, each until it is durable. */
  #inTurn<Result>(decide: () => Promise<Result>): Promise<Result> {
    const decided = this.#decided.then(decide);
    this.#decided = decided.catch(() => {});
    return decided;
  }
  #makeDoor(): PoolDoor {
    const parts = this.#parts;
    const { definition, contracts, log, latest, query, flows, flowFolds, accounts, supervisor, environment } = parts;
    return {
      name: definition.name,
      contracts: contracts.current,
      latest,
      head: () => log.head.position,
      submit: (submission) => this.gate.submit(submission),
      lastBatch: (feed, session) => this.gate.lastBatch(feed, session),
      retry: (ids, actor) => this.gate.retry(ids, actor),
      discard: (ids, actor) => this.#inTurn(() => discardRows(ids, actor, { query, log, environment })),
      query: (plan, signal) => this.query(plan, signal),
      tap: (listener) => log.tap(listener),
      read: (after, limit) => log.read(after, limit),
      provisional: (dataset, onlyChanged) => provisionalOf(flows, flowFolds, dataset, onlyChanged),
      explain: (dataset, key, at) => this.explain(dataset, key, at),
      chains: () => this.#status.chains(),
      feeds: () => this.#feeds(),
      tasks: () => supervisor.snapshot(),
      accounts: () => accounts.totals(),
      import: (file, request, onProgress) =>
        importFile(
          { definition, contracts: contracts.current, gate: this.gate, environment },
          file,
          request,
          onProgress,
        ),
      verify: (onProgress) => this.verify(onProgress),
      rebuild: (view) => this.#rebuild(view),
      readiness: () => this.#status.readiness(),
      figures: () => this.#status.figures(),
    };
  }
  /** Empties a view; its runner fills it again from the log. */
  async #rebuild(view: string): Promise<void> {
    const { series, seriesRunner } = this.#parts;
    if (view !== series.name) throw fail("view_unknown", { view, known: [series.name] });
    await seriesRunner.rebuild();
  }
}
