/**
 * The simulated terminal as a process of its own, as a real one would be. What must hold: it never outlives this
 * process (it ends when the channel to us closes, however we die), a Ctrl-C of the person does not reach it before we
 * drain, and the token goes by a file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export interface TerminalOptions {
  readonly folder: string;
  readonly bridgeUrl: string;
  readonly token: string;
  readonly feed: string;
  readonly seed: number;
  /** Ticks a second. */
  readonly rate: number;
  /** Told when it ended although nobody asked it to. */
  readonly onLost: (reason: string) => void;
}

export interface Terminal {
  readonly pid: number | undefined;
  /** Lets it send the rest and say goodbye; ends it by force where it takes too long. */
  stop(): Promise<void>;
}

const GOODBYE_MS = 3_000;
const RESTART_MS = 2_000;

export function startTerminal(options: TerminalOptions): Terminal {
  const tokenFile = path.join(options.folder, "terminal-token");
  writeFileSync(tokenFile, `${options.token}\n`, { mode: 0o600 });
  let child: ChildProcess | undefined;
  let stopping = false;
  let ended: Promise<void> = Promise.resolve();
  let restart: NodeJS.Timeout | undefined;
  const run = (): void => {
    const given = ["--url", options.bridgeUrl, "--token-file", tokenFile, "--feed", options.feed];
    const settings = ["--seed", String(options.seed), "--rate", String(options.rate)];
    // Detached: a Ctrl-C goes to the whole group of the terminal window, and it shall hear of it from us alone.
    const started = spawn(process.execPath, [simulatorFile(), ...given, ...settings], {
      detached: true,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    child = started;
    let said = "";
    started.stderr?.on("data", (chunk: Buffer) => {
      said = chunk.toString().trim().split("\n").at(-1) ?? said;
    });
    ended = new Promise((resolve) => {
      // `error`: it could not be started; then there is no exit.
      const onEnd = (): void => {
        child = undefined;
        resolve();
        if (stopping) return;
        options.onLost(said || "it ended");
        restart = setTimeout(run, RESTART_MS);
      };
      started.once("error", onEnd);
      started.once("exit", onEnd);
    });
  };
  run();
  return {
    get pid() {
      return child?.pid;
    },
    stop: async () => {
      stopping = true;
      clearTimeout(restart);
      child?.kill("SIGTERM");
      const force = setTimeout(() => child?.kill("SIGKILL"), GOODBYE_MS);
      await ended;
      clearTimeout(force);
      rmSync(tokenFile, { force: true });
    },
  };
}

function simulatorFile(): string {
  const source = fileURLToPath(new URL("../../../connect/simulator/main.ts", import.meta.url));
  return existsSync(source) ? source : source.replace(/\.ts$/, ".js");
}
