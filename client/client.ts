/** The client: one link, and the datasets that use it. */
import { createEnvironment, fail, fromUtf8, type MillpondError } from "../src/base/index.ts";
import { type Batch, decodeBatch, encodeBatch, type Layout, rowsOf } from "../src/batch/index.ts";
import type { Fields, RowOf, SeriesContract } from "../src/contract/index.ts";
import { decodeMessage } from "../src/subscribe/index.ts";
import { Appender, type Payload } from "./appender.ts";
import { columnsOf, jsonOf } from "./columns.ts";
import { errorOf, isBinary, Link } from "./link.ts";
import { LatestReader } from "./reader.ts";
import { openGlobalSocket } from "./socket.ts";
import { type Channels, SubscribedStream } from "./stream.ts";
import type {
  AnyRow,
  Appended,
  Client,
  ClientOptions,
  Dataset,
  LatestAnswer,
  QueryAnswer,
  QueryPlan,
  Stream,
  StreamListener,
  SubscribeOptions,
} from "./types.ts";

const COLUMNS = "application/vnd.millpond.columns";

/**
 * Resolves when the server has accepted the sign-in.
 * @throws `sign_in_required`; `link_lost` where the first connection fails
 */
export async function connect(options: ClientOptions): Promise<Client> {
  const client = new PoolClient(options);
  await client.connected;
  return client;
}

class PoolClient implements Client {
  readonly connected: Promise<void>;
  readonly #options: ClientOptions;
  readonly #link: Link;
  readonly #appender: Appender;
  readonly #channels: Channels = new Map();
  readonly #streams = new Set<SubscribedStream>();
  readonly #readers = new Map<string, LatestReader>();
  readonly #opening = new Map<string, Promise<LatestReader>>();

  constructor(options: ClientOptions) {
    this.#options = options;
    const environment = options.environment ?? createEnvironment();
    const first = Promise.withResolvers<void>();
    this.connected = first.promise;
    let welcomedOnce = false;
    this.#link = new Link(
      {
        url: options.url,
        token: () => this.#token(),
        encoding: options.encoding ?? "columns",
        openSocket: options.openSocket ?? openGlobalSocket,
        environment,
        backoffMs: options.backoffMs ?? { first: 100, last: 10_000 },
      },
      {
        welcome: () => {
          welcomedOnce = true;
          this.#appender.welcome();
          for (const stream of this.#streams) stream.subscribe();
          first.resolve();
          options.onState?.("ready");
        },
        lost: () => {
          if (!welcomedOnce) {
            this.#link.end(fail("link_lost"));
            return;
          }
          this.#appender.lost();
          for (const stream of this.#streams) stream.lost();
          options.onState?.("lost");
        },
        frame: (channel, message) => this.#channels.get(channel)?.frame(message),
        ended: (error) => {
          first.reject(error);
          this.#appender.end(error);
          for (const stream of [...this.#streams]) stream.end(error.code === "client_closed" ? undefined : error);
          options.onState?.("closed");
        },
      },
    );
    this.#appender = new Appender(this.#link, environment);
    void this.#link.open();
  }
  get principal(): string {
    return String(this.#link.welcomed?.principal ?? "");
  }

  dataset<Declared extends Fields>(contract: SeriesContract<Declared>): Dataset<RowOf<Declared>>;
  dataset(name: string): Dataset<AnyRow, object>;
  dataset(given: string | { readonly name: string }): Dataset<AnyRow, object> {
    const name = typeof given === "string" ? given : given.name;
    return {
      name,
      append: (rows) => this.#append(name, rows as readonly AnyRow[] | Batch),
      latest: (...key) => this.#latest(name, key),
      query: (plan = {}, signal) => this.#query(name, plan, signal),
      subscribe: (options = {}, listener) => this.#subscribe(name, options, listener),
      layout: async () => (await this.#opened(name)).layout,
    };
  }
  async position(): Promise<number> {
    const id = this.#link.newId();
    return new Promise((answer, refuse) => {
      this.#link.request(id, {
        text: `{"type":"ping","id":${id}}`,
        answer: (message) => answer(Number(message.position)),
        refuse,
      });
    });
  }
  close(): void {
    this.#link.end(fail("client_closed"));
  }

  /** The dataset's layout, asked for once; its place among the opened is what binary appends name it by. */
  #opened(dataset: string): Promise<LatestReader> {
    const known = this.#opening.get(dataset);
    if (known !== undefined) return known;
    const opening = new Promise<LatestReader>((resolve, reject) => {
      const id = this.#link.newId();
      this.#link.request(id, {
        text: JSON.stringify({ type: "open", id, dataset }),
        answer: (message) => {
          if (isBinary(message)) return;
          this.#appender.opened(dataset);
          const reader = new LatestReader(this.#link, dataset, message.layout as Layout);
          this.#readers.set(dataset, reader);
          resolve(reader);
        },
        refuse: (error: MillpondError) => {
          this.#opening.delete(dataset);
          reject(error);
        },
      });
    });
    this.#opening.set(dataset, opening);
    return opening;
  }

  async #append(dataset: string, rows: readonly AnyRow[] | Batch): Promise<Appended> {
    const reader = this.#readers.get(dataset) ?? (await this.#opened(dataset));
    return this.#appender.append(dataset, this.#payload(reader.layout, rows));
  }
  #payload(layout: Layout, rows: readonly AnyRow[] | Batch): Payload {
    const isBatch = "columns" in rows;
    if (this.#options.encoding === "json") {
      return { kind: "json", text: jsonOf(layout, isBatch ? rowsOf(layout, rows) : rows) };
    }
    const batch = isBatch ? rows : columnsOf(layout, rows);
    if (batch === undefined) return { kind: "json", text: jsonOf(layout, rows as readonly AnyRow[]) };
    return { kind: "columns", bytes: encodeBatch(batch), rows: batch.count };
  }

  async #latest(
    dataset: string,
    key: readonly (string | number | boolean)[],
  ): Promise<LatestAnswer<AnyRow> | undefined> {
    const reader = this.#readers.get(dataset) ?? (await this.#opened(dataset));
    return reader.read(key);
  }

  #subscribe(dataset: string, options: SubscribeOptions, listener?: StreamListener<AnyRow>): Stream<AnyRow> {
    const stream = new SubscribedStream(this.#link, this.#channels, dataset, options, listener, () =>
      this.#streams.delete(stream),
    );
    const { closed } = this.#link;
    if (closed !== undefined) stream.end(closed);
    else {
      this.#streams.add(stream);
      stream.subscribe();
    }
    return stream;
  }

  async #query(dataset: string, plan: QueryPlan, signal?: AbortSignal): Promise<QueryAnswer> {
    const url = `${this.#options.url.replace(/\/$/, "")}/v1/datasets/${encodeURIComponent(dataset)}/query`;
    const answer = await fetch(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${await this.#token()}`,
        "content-type": "application/json",
        accept: COLUMNS,
      },
      body: JSON.stringify(plan),
      ...(signal && { signal }),
    });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (!answer.ok) throw refusalOf(bytes);
    const message = decodeMessage(bytes);
    const { layout, view, next } = message.meta as { layout: Layout; view: string; next?: string };
    const batch = decodeBatch(message.columns ?? new Uint8Array(0));
    return {
      position: message.position,
      view,
      layout,
      batch,
      ...(next !== undefined && { next }),
      get rows() {
        return rowsOf(layout, batch);
      },
    };
  }
  async #token(): Promise<string> {
    const { token } = this.#options;
    return typeof token === "string" ? token : token();
  }
}

function refusalOf(bytes: Uint8Array): MillpondError {
  try {
    const { error } = JSON.parse(fromUtf8(bytes)) as { error: Record<string, unknown> };
    return errorOf(error);
  } catch (error) {
    return fail("internal", {}, error);
  }
}
