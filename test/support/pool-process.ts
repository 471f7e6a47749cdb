/** Starting pools in processes of their own, hearing where they listen, and ending them well or badly. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ClientOptions, connect } from "../../client/node.ts";

export interface OpenMessage {
  readonly folder: string;
}
export interface ReadyMessage {
  readonly kind: "ready";
  readonly url: string;
  readonly bridgeUrl: string;
  /** By principal. */
  readonly tokens: Readonly<Record<string, string>>;
}
export type ChildMessage =
  | { readonly kind: "opening" }
  | ReadyMessage
  | { readonly kind: "failed"; readonly code: string; readonly message: string };

export interface HttpAnswer<Body = Record<string, unknown>> {
  readonly status: number;
  readonly body: Body;
}

const running = new Set<PoolProcess>();

/** Ends whatever a test has left running. */
export async function killPools(): Promise<void> {
  await Promise.all([...running].map((pool) => pool.kill()));
}

export class PoolProcess {
  readonly process: ChildProcess;
  /** The pool is about to touch its folder. */
  readonly opening: Promise<void>;
  /** Rejects with `<code>: <message>` where the pool does not open. */
  readonly ready: Promise<ReadyMessage>;
  /** Exit code, or null after a signal. */
  readonly ended: Promise<number | null>;
  errors = "";
  #addresses: ReadyMessage | undefined;

  /** Loads the program; the pool opens with `open`. */
  constructor(given: { readonly env?: NodeJS.ProcessEnv; readonly nodeOptions?: readonly string[] } = {}) {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      // Compiled code is kept between starts: most of a start is loading.
      NODE_COMPILE_CACHE: path.join(tmpdir(), "millpond-test-code"),
      ...given.env,
    };
    delete env.NODE_TEST_CONTEXT;
    const program = new URL("./pool-child.ts", import.meta.url).pathname;
    this.process = fork(program, [], {
      execArgv: [...(given.nodeOptions ?? [])],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      env,
    });
    this.process.stderr!.on("data", (data: Buffer) => {
      this.errors += data.toString();
    });
    running.add(this);
    this.process.once("exit", () => running.delete(this));
    this.ended = once(this.process, "exit").then(([code]) => code as number | null);
    const opening = Promise.withResolvers<void>();
    const ready = Promise.withResolvers<ReadyMessage>();
    this.opening = opening.promise;
    this.ready = ready.promise;
    this.ready.catch(() => {});
    this.process.on("message", (message: ChildMessage) => {
      if (message.kind === "opening") opening.resolve();
      else if (message.kind === "failed") ready.reject(new Error(`${message.code}: ${message.message}`));
      else {
        this.#addresses = message;
        ready.resolve(message);
      }
    });
    void this.ended.then((code) => {
      opening.resolve();
      ready.reject(new Error(`the pool ended by itself (${code}): ${this.errors}`));
    });
  }

  open(folder: string): Promise<ReadyMessage> {
    const message: OpenMessage = { folder };
    this.process.send(message);
    return this.ready;
  }
  get addresses(): ReadyMessage {
    if (this.#addresses === undefined) throw new Error("the pool is not open yet");
    return this.#addresses;
  }
  get token(): string {
    return this.addresses.tokens["user:admin"]!;
  }
  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended;
  }
  /** Asks the pool to close; the exit code says whether it could. */
  async stop(): Promise<number | null> {
    this.process.kill("SIGTERM");
    return this.ended;
  }
  /** Resident memory. */
  async rssBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.process.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  }

  connect(options: Partial<ClientOptions> = {}) {
    return connect({ url: this.addresses.url, token: this.token, ...options });
  }
  async http<Body = Record<string, unknown>>(
    method: string,
    address: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<HttpAnswer<Body>> {
    const answer = await fetch(`${this.addresses.url}${address}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.startsWith("application/json") === true;
    return { status: answer.status, body: (isJson ? JSON.parse(text) : text) as Body };
  }
  /** What `verify` comes to. */
  async verify(): Promise<Verification> {
    const { body } = await this.http<string>("POST", "/v1/verify");
    const last = JSON.parse(body.trim().split("\n").at(-1)!) as { result?: Verification; error?: unknown };
    if (last.result === undefined) throw new Error(`verify failed: ${JSON.stringify(last.error)}`);
    return last.result;
  }
}

export interface Verification {
  readonly ok: boolean;
  readonly unaccounted: number;
  readonly log: { readonly commits: number; readonly head: number; readonly fault: unknown };
  readonly views: readonly { readonly equal: boolean; readonly view: string; readonly dataset: string }[];
}

export async function startPool(
  folder: string,
  given: ConstructorParameters<typeof PoolProcess>[0] = {},
): Promise<PoolProcess> {
  const pool = new PoolProcess(given);
  await pool.open(folder);
  return pool;
}
