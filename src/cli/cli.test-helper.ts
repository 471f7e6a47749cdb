/** For tests: runs the real command line in folders of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("../../bin/millpond.mjs", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Resolves with the first line of output that fits. Rejects where the command ends before. */
  line(fits: (line: string) => boolean): Promise<string>;
  readonly ended: Promise<Ended>;
}

export class Folder {
  readonly path = mkdtempSync(path.join(tmpdir(), "millpond-cli-"));
  file(name: string): string {
    return path.join(this.path, name);
  }
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
  /** Runs to the end, in this folder. */
  run(...args: readonly string[]): Promise<Ended> {
    return this.start(...args).ended;
  }
  start(...args: readonly string[]): Running {
    const child = spawn(process.execPath, [entry, ...args], { cwd: this.path, stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    const watchers = new Set<() => void>();
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      for (const look of watchers) look();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk.toString();
    });
    const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
    const line = (fits: (line: string) => boolean): Promise<string> =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = out.split("\n").slice(0, -1).find(fits);
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        void ended.then((end) => reject(new Error(`it ended before: ${JSON.stringify(end)}`)));
        look();
      });
    return { child, line, ended };
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** LEAN-style quotes: one every ten seconds from midnight, the last three of them wrong in three ways. */
export function leanQuotes(count: number): string {
  const good = Array.from({ length: count }, (_, place) => {
    const bid = (1.1 + (place % 7) / 10_000).toFixed(5);
    const ask = (1.1002 + (place % 7) / 10_000).toFixed(5);
    return `${place * 10_000},${bid},${ask}`;
  });
  return `${[...good, `${count * 10_000},1.3,1.2`, "what\u001b[31m is this,1,2", good.at(-1)].join("\n")}\n`;
}
