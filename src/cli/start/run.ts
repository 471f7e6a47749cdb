/**
 * A run of the pool with all its doors and a simulated terminal beside it. It ends in order: nothing new is taken, what
 * is under way becomes durable, the books are printed.
 */
import process from "node:process";
import { createEnvironment, type Environment, fail, type LogLevel } from "../../base/index.ts";
import { createTokenAuthenticator, openPool, openTokens, type Pool } from "../../pool/index.ts";
import { accountLine, sumOf } from "../account.ts";
import type { Context } from "../command.ts";
import { onInterrupt } from "../interrupts.ts";
import { createLineLogger } from "../logger.ts";
import { usage } from "../options.ts";
import { loadPool } from "../pool-module.ts";
import { exitCodes } from "../problem.ts";
import { announceServer } from "../server-file.ts";
import { createDisplay, type Display } from "./display.ts";
import { readFigures } from "./figures.ts";
import { measurePushes, type PushLatency } from "./push-latency.ts";
import { startTerminal, type Terminal } from "./terminal.ts";

export interface StartOptions {
  readonly port: number;
  readonly bridgePort: number;
  readonly host: string;
  readonly allowPublic?: boolean;
  readonly acceptLoss?: boolean;
  readonly terminal: boolean;
  readonly seed: number;
  readonly rate: number;
  readonly logLevel: LogLevel;
}

type Tokens = ReturnType<typeof openTokens>;

const REDRAW_MS = 1_000;
const LINE_MS = 5_000;
const MOST_CLOSE_MS = 9_000;

export async function runStart(context: Context, given: StartOptions): Promise<void> {
  const { folder, url, pool: module } = context.options;
  if (url !== undefined) throw usage("start opens a server of its own; --url is for the other commands");
  const environment = createEnvironment({ logger: createLineLogger(given.logLevel) });
  const stop = Promise.withResolvers<void>();
  // From here on a Ctrl-C waits until everything stands, and is then obeyed in order.
  const release = onInterrupt(() => stop.resolve());
  try {
    const pool = await openPool(await loadPool(module), {
      folder,
      environment,
      ...(given.acceptLoss ? { acceptLoss: true } : {}),
    });
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= pool.close();
      return closing;
    };
    try {
      await serve(context, given, pool, environment, stop.promise, close);
    } finally {
      await close();
    }
  } finally {
    release();
  }
}

async function serve(
  { options: { folder }, output }: Context,
  given: StartOptions,
  pool: Pool,
  environment: Environment,
  stopped: Promise<void>,
  close: () => Promise<void>,
): Promise<void> {
  const tokens = openTokens(folder, environment);
  const { url, bridgeUrl } = await listen(pool, tokens, given);
  const withdraw = announceServer(folder, { pid: process.pid, url, ...(bridgeUrl !== undefined && { bridgeUrl }) });
  const display = createDisplay(output, { pool: pool.definition.name, url, bridgeUrl });
  const addresses = { url, docs: `${url}/docs`, metrics: `${url}/metrics`, bridge: bridgeUrl };
  display.say("ready", addresses, `ready: ${addresses.docs}  metrics ${addresses.metrics}  bridge ${bridgeUrl}`);
  const reader = tokens.find(({ scopes }) => scopes.includes("read"))!.token;
  const pushes = await measurePushes(pool, url, reader, () => environment.clock.monotonicMs());
  const terminal = given.terminal ? openTerminal(pool, tokens, folder, bridgeUrl!, given, display) : undefined;
  const halt = show(pool, display, pushes.latency, output.json || !process.stdout.isTTY ? LINE_MS : REDRAW_MS);
  await stopped;
  halt();
  display.say("stopping", {}, "stopping: draining …");
  const late = setTimeout(() => tooLate(display), MOST_CLOSE_MS);
  await terminal?.stop();
  pushes.close();
  await close();
  clearTimeout(late);
  withdraw();
  const accounts = pool.door.accounts();
  const account = sumOf(accounts);
  const unaccounted = accounts.reduce((sum, totals) => sum + totals.unaccounted, 0);
  display.say(
    "stopped",
    { position: pool.door.head(), account, accounts, unaccounted },
    [
      ...accounts.map((totals) => `${totals.feed} → ${totals.dataset}: ${accountLine(totals)}`),
      `stopped at position ${pool.door.head()}: ${accountLine(account)}; ${unaccounted} unaccounted`,
    ].join("\n"),
  );
}

function tooLate(display: Display): void {
  const text = "not everything could be saved in time; the next start replays it, and nothing acknowledged is lost";
  display.say("stopped", { late: true }, text);
  process.exit(exitCodes.failed);
}

async function listen(pool: Pool, tokens: Tokens, given: StartOptions) {
  const { host, port: apiPort, bridgePort, allowPublic = false } = given;
  try {
    return await pool.listen({
      ...{ authenticator: createTokenAuthenticator(tokens), host, port: apiPort, bridgePort, allowPublic },
    });
  } catch (error) {
    const { code, port: taken } = error as NodeJS.ErrnoException & { port?: number };
    if (code === "EADDRINUSE") {
      const option = taken === bridgePort && taken !== apiPort ? "--bridge-port" : "--port";
      throw fail("port_in_use", { port: taken ?? apiPort, option }, error);
    }
    if (code === "EACCES" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
      throw usage(`cannot listen on ${host}, ports ${apiPort} and ${bridgePort} (${code})`);
    }
    throw error;
  }
}

function openTerminal(
  pool: Pool,
  tokens: Tokens,
  folder: string,
  bridgeUrl: string,
  { seed, rate }: StartOptions,
  display: Display,
): Terminal | undefined {
  const feed = pool.definition.feeds.find(({ kind, simulated }) => kind === "bridge" && simulated === true)?.name;
  if (feed === undefined) {
    display.say("note", {}, "this pool declares no bridge for simulated terminals, so none was started");
    return undefined;
  }
  const token = tokens.find(({ id }) => id === "feed:bridge") ?? tokens.find(({ scopes }) => scopes.includes("write"));
  if (token === undefined) throw fail("scope_missing", { scope: "write" });
  const terminal = startTerminal({
    ...{ folder, bridgeUrl, token: token.token, feed, seed, rate },
    onLost: (reason) =>
      display.say("terminal", { simulated: true, reason }, `simulated terminal: ${reason}; again soon`),
  });
  const details = { simulated: true, feed, pid: terminal.pid, seed, rate };
  display.say(
    "terminal",
    details,
    `a SIMULATED terminal sends made-up quotes to feed ${feed} (process ${terminal.pid})`,
  );
  return terminal;
}

/** @returns ends it */
function show(pool: Pool, display: Display, latency: PushLatency, everyMs: number): () => void {
  const draw = (): void => display.show(readFigures(pool, latency));
  const first = setTimeout(draw, REDRAW_MS);
  const timer = setInterval(draw, everyMs);
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}
