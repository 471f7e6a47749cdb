/** Structured log lines. An implementation writes one line each; secrets and protected values are never passed in. */
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Logger {
  log(level: LogLevel, event: string, details?: Readonly<Record<string, unknown>>): void;
  /** A logger that adds the same details to each line. */
  with(details: Readonly<Record<string, unknown>>): Logger;
}

export const silentLogger: Logger = { log: () => {}, with: () => silentLogger };
