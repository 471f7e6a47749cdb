/** A bar on a terminal that a person watches; elsewhere nothing, so that logs and pipes stay clean. */
import process from "node:process";
import type { Output } from "./output.ts";

export interface Progress {
  show(done: number, of: number, note?: string): void;
  /** Takes the bar off the screen. */
  end(): void;
}

const WIDTH = 28;
const PAUSE_MS = 80;

export function createProgress({ json }: Output, label: string): Progress {
  const { stderr } = process;
  if (json || !stderr.isTTY) return { show: () => {}, end: () => {} };
  let shownMs = Number.NEGATIVE_INFINITY;
  return {
    show(done, of, note) {
      const nowMs = performance.now();
      if (nowMs - shownMs < PAUSE_MS && done < of) return;
      shownMs = nowMs;
      const share = of > 0 ? Math.min(1, done / of) : 0;
      const full = Math.round(share * WIDTH);
      const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
      const text = `${bar} ${String(Math.floor(share * 100)).padStart(3)} % ${note ?? label}`;
      stderr.write(`\r\u001b[2K${text.slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    end: () => {
      stderr.write("\r\u001b[2K");
    },
  };
}
