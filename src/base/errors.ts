/**
 * The error table: every code a caller can meet, in one place. Three families, never mixed:
 *
 * - a *bug* is an assertion (`assert`): it stops the task that met it and is logged with its stack;
 * - a *refusal* is said to whoever asked: a typed error to the caller, or a reason code on one row of a batch;
 * - a *condition* is the state of the outside (disconnected, busy, stale): it steers the supervisor, which may retry.
 *
 * A message names the field, the shape of the value (never a protected value) and what to do. A code that is retired
 * is never used again for another meaning. `docs/errors.md` is held equal to this table by a test.
 */
import { type ErrorSpec, errorTable } from "./error-table.ts";

export { errorTable } from "./error-table.ts";
export type ErrorCode = keyof typeof errorTable;
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export class MillpondError extends Error {
  override readonly name = "MillpondError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails, cause?: unknown) {
    super(messageOf(code, details), cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
  get spec(): ErrorSpec {
    return errorTable[this.code];
  }
  /** The form in which an error crosses the wire. */
  toJSON(): { code: ErrorCode; message: string; details: ErrorDetails; retryable: boolean } {
    return { code: this.code, message: this.message, details: this.details, retryable: this.spec.retryable };
  }
}

/** Makes (does not throw) the error of a code: `throw fail("duration_invalid", { text })`. */
export function fail(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown): MillpondError {
  return new MillpondError(code, details, cause);
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

/** The table's template with `{name}` places filled from the details. */
export function messageOf(code: ErrorCode, details: ErrorDetails): string {
  return errorTable[code].message.replace(/\{(\w+)\}/g, (place, name: string) => {
    const value = details[name];
    return value === undefined ? place : Array.isArray(value) ? value.join(", ") : String(value);
  });
}

/** A broken promise of our own code. Never for input from outside. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** For the `default` of a switch that must be exhaustive. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}

/** Turns anything thrown into an error of the table; what is not in it becomes `internal`, the original kept as cause. */
export function asMillpondError(error: unknown): MillpondError {
  return error instanceof MillpondError ? error : fail("internal", {}, error);
}
