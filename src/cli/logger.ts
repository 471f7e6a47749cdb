/** Log lines of a long-running command: JSON on standard error, one a line. */
import { pino } from "pino";
import type { Logger, LogLevel } from "../base/index.ts";

export function createLineLogger(level: LogLevel): Logger {
  const lines = pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
  const wrap = (details: Readonly<Record<string, unknown>>): Logger => ({
    log: (at, event, more) => lines[at](plain({ ...details, ...more }), event),
    with: (more) => wrap({ ...details, ...more }),
  });
  return wrap({});
}

/** Errors say what is known of them; stacks are for bugs alone, under a name of their own. */
function plain(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, value instanceof Error ? value.message : value]),
  );
}
