/**
 * One line a code, grouped by the room that raises it. `status` is the HTTP status where the error answers a request;
 * codes of family `row` are reasons on single rows and travel inside a successful answer.
 */
export type ErrorFamily = "refusal" | "row" | "condition" | "bug";

export interface ErrorSpec {
  readonly family: ErrorFamily;
  readonly status: number;
  readonly retryable: boolean;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
}

const refusal = (status: number, message: string): ErrorSpec => ({
  family: "refusal",
  status,
  retryable: false,
  level: "info",
  message,
});
const row = (message: string): ErrorSpec => ({
  family: "row",
  status: 422,
  retryable: false,
  level: "debug",
  message,
});
const condition = (status: number, message: string): ErrorSpec => ({
  family: "condition",
  status,
  retryable: true,
  level: "warn",
  message,
});
const bug = (message: string): ErrorSpec => ({ family: "bug", status: 500, retryable: false, level: "error", message });

export const errorTable = {
  // base
  internal: bug("something went wrong inside; the log line with this request's id has the details"),
  duration_invalid: refusal(400, "'{text}' is not a duration; write it like 250ms, 5s, 1m, 4h or 7d"),
  decimal_invalid: refusal(400, "not a decimal number of at most 38 digits (length {length})"),
  // batch
  batch_malformed: refusal(400, "the columns are malformed: {problem}"),
  // expression
  expression_invalid: refusal(400, "the expression cannot be read at {where}: found {found}, expected {expected}"),
  expression_too_large: refusal(413, "the expression is too large: {problem}"),
  expression_type: refusal(400, "the expression does not fit at {where}: {problem}"),
  // contract
  contract_invalid: refusal(400, "the declaration of '{dataset}' is not valid: {problem}"),
  contract_incompatible: refusal(
    409,
    "the stored contract of '{dataset}' cannot become the declared one by itself: {changes}",
  ),
  dataset_unknown: refusal(404, "there is no dataset '{dataset}'; declared are: {known}"),
  field_unknown: refusal(400, "'{dataset}' has no field '{field}'; it has: {known}"),
  // rows, as judged by the gate
  row_not_object: row("row is not an object with the fields of the dataset"),
  row_too_large: row("row is larger than {limitBytes} bytes"),
  row_too_deep: row("row is nested deeper than {limit} levels"),
  field_missing: row("field '{field}' is required and missing"),
  field_not_declared: row("field '{field}' is not declared in the contract"),
  field_forbidden_name: row("field name '{field}' is never accepted"),
  field_duplicate: row("field '{field}' stands twice in one row"),
  value_wrong_type: row("field '{field}' must be {expected} but is {actual}"),
  value_not_finite: row("field '{field}' is not a finite number"),
  value_out_of_range: row("field '{field}' is outside {range}"),
  value_too_long: row("field '{field}' is longer than {limit} characters"),
  value_not_unicode: row("field '{field}' holds a NUL or a broken surrogate pair and cannot be stored as text"),
  value_not_listed: row("field '{field}' is not one of the declared values"),
  value_not_instant: row("field '{field}' is not an instant (RFC 3339 text or integer microseconds)"),
  rule_failed: row("rule '{rule}' does not hold: {description}"),
  row_duplicate: row("the same row (key, time and content) is stored already"),
  row_late: row("row is {behind} behind the newest of its key in this feed; at most {lateness} is allowed"),
  // log
  log_locked: refusal(409, "the data folder is in use by another Millpond (process {holder}); stop that one first"),
  log_read_only: condition(
    503,
    "the log refuses writes after a failed sync; restart once the disk is healthy ({problem})",
  ),
  log_storage_full: condition(507, "the disk is full; nothing of this request was stored"),
  log_conflict: refusal(409, "a precondition does not hold: {problem}"),
  log_tail_lost: refusal(
    500,
    "the log ends at position {head} but position {mark} was acknowledged; restore from a backup or accept the loss by command",
  ),
  log_mark_missing: refusal(
    500,
    "the log ends at position {head} but its high-water mark is missing or unreadable, so a lost tail cannot be ruled out; restore it or accept the loss by command",
  ),
  log_corrupt: refusal(500, "commit {position} does not match its hash; run verify and restore"),
  log_format_unknown: refusal(500, "the log was written by a newer version (format {format})"),
  log_position_unknown: refusal(400, "position {position} is not in the log, which ends at {head}"),
  log_closed: condition(503, "the log is closed"),
  // gate and feeds
  overloaded: condition(429, "more rows wait than the limit of {limit}; send again after a pause"),
  batch_too_large: refusal(413, "the batch has {rows} rows; at most {limit} are taken at once"),
  batch_out_of_order: refusal(409, "batch {batch} of the session does not follow {last}; send {expected} next"),
} as const satisfies Record<string, ErrorSpec>;
