/**
 * Ctrl-C, once and twice. The first asks for an orderly end, the second does not wait. A signal often arrives more than
 * once for one key press (from the terminal and from a package manager that passes it on), so what follows within half
 * a second is the same Ctrl-C.
 */
import process from "node:process";
import { exitCodes } from "./problem.ts";

const SAME_MS = 500;

/** @returns takes the handlers off again */
export function onInterrupt(first: () => void): () => void {
  let firstMs: number | undefined;
  const hear = (): void => {
    const nowMs = performance.now();
    if (firstMs === undefined) {
      firstMs = nowMs;
      first();
    } else if (nowMs - firstMs > SAME_MS) process.exit(exitCodes.forced);
  };
  process.on("SIGINT", hear);
  process.on("SIGTERM", hear);
  // Whoever started us over a channel is gone: nobody is left to send a signal.
  process.on("disconnect", hear);
  process.channel?.unref();
  return () => {
    for (const event of ["SIGINT", "SIGTERM", "disconnect"]) process.off(event, hear);
  };
}
