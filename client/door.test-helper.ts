/** For tests: a pool in memory that numbers batches as the gate does, and can be told to fail. */
import { readFile } from "node:fs/promises";
import { createEnvironment, fail, type Logger, parseInstant } from "../src/base/index.ts";
import { type Batch, batchOfRows, concatBatches, emptyBatch, encodeBatch, rowAt, rowsOf } from "../src/batch/index.ts";
import type { Admission, Incoming, Rejection, Submission } from "../src/gate/index.ts";
import type { Account, Receipt } from "../src/log/index.ts";
import type { Answer, Plan } from "../src/query/index.ts";
import type { Authenticator, Figure, ImportRequest, ImportResult, PoolDoor, Principal } from "../src/serve/index.ts";
import { createServer, type Server, type ServerOptions } from "../src/serve/index.ts";
import type { Latest, LatestRow } from "../src/view/index.ts";
import { FakeSource, type Tick, tickContract, tickLayout } from "./source.test-helper.ts";

export const tokens: Readonly<Record<string, Principal>> = {
  "token-all": { id: "user:ann", scopes: ["read", "write", "admin"] },
  "token-read": { id: "service:charts", scopes: ["read"] },
  "token-write": { id: "service:loader", scopes: ["write"] },
};
export const authenticator: Authenticator = {
  authenticate: (token) => (Object.hasOwn(tokens, token) ? tokens[token] : undefined),
};

const hash = new Uint8Array(32);

export class FakeDoor extends FakeSource implements PoolDoor {
  readonly name = "test";
  readonly submissions: Submission[] = [];
  readonly plans: Plan[] = [];
  readonly imports: { file: string; actor: string; text: string; asked: object }[] = [];
  /** Awaited by an import before it reports. */
  duringImport: (signal: AbortSignal | undefined) => Promise<void> = async () => {};
  ready = true;
  /** Awaited before a batch is judged durable. */
  beforeDurable: () => Promise<void> = async () => {};
  /** May throw instead of accepting. */
  judge: (submission: Submission) => void = () => {};
  extraFigures: Figure[] = [];
  #judged = Promise.resolve();
  readonly #sessions = new Map<string, { batch: number; admissions: Map<number, Admission> }>();
  readonly #newest = new Map<string, LatestRow>();

  readonly latest: Latest = {
    get: (dataset, [symbol]) => (dataset === "ticks" ? this.#newest.get(String(symbol)) : undefined),
    all: () => emptyBatch(tickLayout),
    keys: () => this.#newest.size,
  };

  submit(submission: Submission): Promise<Admission> {
    this.submissions.push(submission);
    const admitted = this.#judged.then(() => this.#admit(submission));
    this.#judged = admitted.then(
      () => {},
      () => {},
    );
    return admitted;
  }
  async #admit(submission: Submission): Promise<Admission> {
    const { feed, session: name, batch: number, incoming } = submission;
    const key = `${feed} ${name}`;
    const session = this.#sessions.get(key) ?? { batch: 0, admissions: new Map() };
    this.#sessions.set(key, session);
    const known = session.admissions.get(number);
    if (known !== undefined) return { ...known, repeated: true };
    if (number !== session.batch + 1) {
      throw fail("batch_out_of_order", { batch: number, last: session.batch, expected: session.batch + 1 });
    }
    this.judge(submission);
    const { batch, rejections } = read(incoming);
    await this.beforeDurable();
    const position = this.store([
      { dataset: "ticks", contract: 1, operation: "append", batch, bytes: encodeBatch(batch) },
    ]);
    for (let place = 0; place < batch.count; place++) {
      const row = rowAt(tickLayout, batch, place);
      this.#newest.set(String(row.symbol), { row, position, place });
    }
    this.tell();
    session.batch = number;
    const refused = rejections.length;
    const received = batch.count + refused;
    const account: Account = { received, accepted: batch.count, duplicate: 0, quarantined: 0, late: 0, refused };
    const admission = { receipt: { position, at: position, hash }, account, rejections, repeated: false };
    session.admissions.set(number, admission);
    return admission;
  }

  lastBatch(feed: string, session: string): number {
    return this.#sessions.get(`${feed} ${session}`)?.batch ?? 0;
  }
  async retry(): Promise<Admission> {
    const account = { received: 1, accepted: 1, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
    return { receipt: { position: this.head(), at: 0, hash }, account, rejections: [], repeated: false };
  }
  async discard(): Promise<Receipt> {
    return { position: this.head(), at: 0, hash };
  }
  async query(plan: Plan): Promise<Answer> {
    this.plans.push(plan);
    const batches = this.commits.flatMap(({ changes }) =>
      changes.filter(({ dataset }) => dataset === plan.dataset).map(({ batch }) => batch),
    );
    const batch = batches.length === 0 ? emptyBatch(tickLayout) : concatBatches(batches);
    return { layout: tickLayout, batch, position: this.head(), next: "more", view: "series" };
  }
  async explain(dataset: string, key: readonly (string | number | boolean)[], at?: number): Promise<unknown> {
    return { dataset, key, ...(at !== undefined && { at }) };
  }
  chains(): unknown {
    return { chains: [] };
  }
  feeds(): unknown {
    return { feeds: [] };
  }
  tasks(): unknown {
    return { tasks: [] };
  }
  accounts(): [] {
    return [];
  }
  async import(file: string, { actor, signal, ...asked }: ImportRequest): Promise<ImportResult> {
    this.imports.push({ file, actor, text: await readFile(file, "utf8"), asked });
    await this.duringImport(signal);
    const account = { received: 1, accepted: 1, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
    const names = { source: "file", layout: "lean-quote", session: "import/1", feed: "files", dataset: "ticks" };
    const counts = { account, batches: 1, unreadable: 0, reasons: [], rejections: [] };
    const figures = { firstPosition: 1, lastPosition: 1, seconds: 1, rowsPerSecond: 1 };
    return { ...names, ...counts, ...figures, stopped: signal?.aborted === true };
  }
  async verify(onProgress?: (done: number, of: number) => void): Promise<unknown> {
    onProgress?.(1, 2);
    return { equal: true };
  }
  async rebuild(view: string): Promise<void> {
    if (view !== "series") throw fail("request_invalid", { problem: "no such view" });
  }
  readiness(): { ready: boolean; reasons: string[] } {
    return { ready: this.ready, reasons: this.ready ? [] : ["replaying"] };
  }
  figures(): readonly Figure[] {
    return this.extraFigures;
  }
  /** All stored ticks in log order. */
  bids(): number[] {
    return this.commits.flatMap(({ changes }) =>
      changes
        .filter(({ dataset }) => dataset === "ticks")
        .flatMap(({ batch }) => rowsOf(tickLayout, batch).map(({ bid }) => bid as number)),
    );
  }
}

/** The least of a gate: rows whose bid is no number are refused. */
function read(incoming: Incoming): { batch: Batch; rejections: Rejection[] } {
  if (incoming.kind === "columns") return { batch: incoming.batch, rejections: [] };
  const rows = incoming.kind === "rows" ? incoming.rows : parsed(incoming.text);
  const rejections: Rejection[] = [];
  const good: Record<string, unknown>[] = [];
  for (const [place, given] of (rows as Partial<Tick>[]).entries()) {
    if (typeof given.bid === "number") {
      const time = typeof given.time === "string" ? parseInstant(given.time) : given.time;
      good.push({ ...given, time });
    } else {
      rejections.push({
        place,
        outcome: "refused",
        code: "value_wrong_type",
        message: "bid is no number",
        field: "bid",
      });
    }
  }
  return { batch: batchOfRows(tickContract.layout, good), rejections };
}

function parsed(text: string): unknown[] {
  const trimmed = text.trim();
  if (trimmed.startsWith("[")) return JSON.parse(trimmed) as unknown[];
  return trimmed.split("\n").map((line) => JSON.parse(line) as unknown);
}

export async function startServer(
  door: FakeDoor,
  options: Partial<ServerOptions> = {},
  logger?: Logger,
): Promise<Server> {
  const environment = createEnvironment(logger && { logger });
  const server = createServer({ door, authenticator, environment, port: 0, ...options });
  await server.listen();
  return server;
}
