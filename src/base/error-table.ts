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
  // pool
  row_unknown: refusal(404, "'{dataset}' holds no row of this key and time"),
  view_unknown: refusal(404, "there is no view '{view}' that can be rebuilt; there are: {known}"),
  key_incomplete: refusal(400, "a key of '{dataset}' consists of {fields}"),
  pool_invalid: refusal(400, "the declaration of pool '{pool}' is not valid: {problem}"),
  tokens_unreadable: refusal(
    500,
    "the token file '{file}' cannot be read; restore it, or delete it to make new tokens",
  ),
  json_invalid: refusal(400, "the text is not valid JSON: the fault is at character {position}, counted from 0"),
  // rows, as judged by the gate
  row_not_json: row("row is not valid JSON: the fault is at its character {position}, counted from 0"),
  row_too_many_fields: row("row has more than {limit} fields, counting those inside of others"),
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
  row_late: row("row is {behind} behind the newest of its session; at most {lateness} is allowed"),
  row_unreadable: row("row could not be read: {problem}"),
  row_unjudgeable: row("row could not be judged, because judging it failed; it is kept and the log line has the cause"),
  row_raw_cut: row("row was kept in part only and cannot be tried again; send it anew"),
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
    "the log ends at position {head} but position {mark} was acknowledged; restore from a backup or accept the loss with start --accept-loss",
  ),
  log_mark_missing: refusal(
    500,
    "the log ends at position {head} but its high-water mark is missing or unreadable, so a lost tail cannot be ruled out; restore it or accept the loss with start --accept-loss",
  ),
  log_open_failed: condition(503, "the log in the data folder cannot be opened: {problem}"),
  log_corrupt: refusal(500, "commit {position} does not match its hash; run verify and restore"),
  log_format_unknown: refusal(500, "the log was written by a newer version (format {format})"),
  log_position_unknown: refusal(400, "position {position} is not in the log, which ends at {head}"),
  log_closed: condition(503, "the log is closed"),
  // gate and feeds
  gate_reset: condition(503, "an earlier batch under way was not stored, and this one was not judged; send again"),
  session_invalid: refusal(400, "the name of a {what} is 1 to 256 characters without control characters"),
  quarantine_unknown: refusal(404, "not in quarantine, or resolved already: {ids}"),
  overloaded: condition(429, "more rows wait than the limit of {limit}; send again after a pause"),
  batch_too_large: refusal(413, "the batch has {rows} rows; at most {limit} are taken at once"),
  batch_out_of_order: refusal(409, "batch {batch} of the session does not follow {last}; send {expected} next"),
  feed_unknown: refusal(404, "there is no feed '{feed}' for this principal"),
  feed_columns_invalid: refusal(400, "the columns of '{dataset}' cannot be filled by this feed: {problem}"),
  feed_broker_lost: condition(503, "the terminal lost the connection to its broker"),
  time_zone_unknown: refusal(
    400,
    "'{zone}' is not a time zone; write an IANA name, a fixed offset like +02:00, or both like America/New_York+07:00",
  ),
  bridge_unauthorized: refusal(401, "the token is not accepted"),
  bridge_protocol_unknown: refusal(400, "protocol version {version} is not spoken here; spoken is {known}"),
  bridge_message_malformed: refusal(400, "the message is malformed: {problem}"),
  bridge_message_unexpected: refusal(409, "'{type}' is not allowed now: {problem}"),
  bridge_hello_late: refusal(408, "no hello arrived within {limitMs} ms"),
  bridge_simulated_mismatch: refusal(
    403,
    "feed '{feed}' takes {expected} terminals only; real and simulated data are never mixed in one feed",
  ),
  bridge_session_replaced: refusal(409, "another connection has taken over this session"),
  bridge_silent: condition(408, "nothing was heard from the terminal for {silentMs} ms"),
  bridge_address_unavailable: condition(503, "the bridge cannot listen on {address}; is the port in use?"),
  bridge_closing: condition(503, "the bridge is stopping; connect again later"),
  import_layout_unknown: refusal(400, "there is no import layout '{layout}'; known are: {known}"),
  import_layout_invalid: refusal(400, "the import layout '{layout}' is not valid: {problem}"),
  import_option_missing: refusal(400, "layout '{layout}' needs the option '{option}': {problem}"),
  import_layout_unclear: refusal(
    400,
    "what the file holds cannot be found out; say it with a layout: its name, or its own as JSON; known are: {known}",
  ),
  import_feed_unclear: refusal(400, "no such feed takes what layout '{layout}' gives; feeds for files are: {known}"),
  import_unknown: refusal(404, "there is no import '{id}' under way"),
  import_file_refused: refusal(422, "the file cannot be imported: {problem}"),
  // views
  view_corrupt: refusal(
    500,
    "the file of view '{view}' cannot be read ({problem}); drop it, it is rebuilt from the log",
  ),
  view_locked: refusal(409, "the file of view '{view}' is in use by another process"),
  view_failed: condition(503, "view '{view}' could not store the changes; it goes on from position {position}"),
  view_gap: condition(503, "view '{view}' stands at position {position} and was given commits from {first}"),
  view_closed: condition(503, "view '{view}' is closed"),
  snapshot_damaged: refusal(
    500,
    "the snapshot '{name}' is not as it was written ({problem}); it is made again from the log",
  ),
  // queries
  plan_invalid: refusal(400, "the plan is not valid at {path}: {reason}"),
  query_timeout: condition(504, "the query took longer than {limitMs} ms and was stopped"),
  query_too_large: refusal(413, "the answer has more than {limit} rows; narrow the plan or page through it"),
  answer_too_large: refusal(413, "the answer is larger than {limitBytes} bytes; ask for fewer rows or fields at once"),
  query_failed: refusal(400, "the query could not be run: {problem}"),
  // subscriptions, doors and client
  frame_malformed: refusal(400, "the message is malformed: {problem}"),
  stream_hole: condition(409, "a frame from {previous} to {position} does not follow the cursor {cursor}"),
  stream_unready: refusal(409, "'{type}' is not allowed now: {problem}"),
  subscription_unknown: refusal(404, "there is no subscription {id} on this connection"),
  subscription_limit: refusal(429, "a connection may have {limit} subscriptions"),
  request_invalid: refusal(400, "the request is not valid: {problem}"),
  route_unknown: refusal(404, "there is no such resource; see /v1/openapi.json"),
  dataset_protected: refusal(403, "'{dataset}' is kept by Millpond itself and takes no rows from outside"),
  key_unknown: refusal(404, "'{dataset}' has no row with this key"),
  body_too_large: refusal(413, "the body is larger than {limitBytes} bytes"),
  media_type_unknown: refusal(415, "this content type or encoding is not read here: {problem}"),
  sign_in_required: refusal(401, "a token is required: send it as 'Authorization: Bearer …'"),
  scope_missing: refusal(403, "this token lacks the scope '{scope}'"),
  origin_refused: refusal(403, "requests of this origin or to this host name are not accepted; add it to the settings"),
  bind_refused: refusal(
    400,
    "'{host}' is reachable from other machines; allow it explicitly, behind a proxy that speaks TLS",
  ),
  rate_limited: condition(429, "too many requests; try again after {seconds} s"),
  link_lost: condition(503, "the connection was lost before the answer came"),
  client_closed: refusal(409, "the client is closed"),
  // command line
  usage_invalid: refusal(400, "{problem}"),
  folder_unknown: refusal(
    404,
    "'{folder}' holds no pool; begin one with 'start' or 'import', or name another folder with --folder",
  ),
  pool_module_invalid: refusal(400, "'{module}' cannot be used as a pool: {problem}"),
  server_unreachable: condition(503, "no server answers at {url}; is it running?"),
  port_in_use: condition(503, "port {port} is in use; stop what uses it or choose another with {option}"),
} as const satisfies Record<string, ErrorSpec>;
