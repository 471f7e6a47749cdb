/** Which WebSocket close code tells a terminal of which error; docs/protocol/bridge.md lists what to do about each. */
import type { ErrorCode } from "../../base/index.ts";

export const CLOSED_NORMALLY = 1000;
export const GOING_AWAY = 1001;
export const UNSUPPORTED_DATA = 1003;

const codes: Partial<Record<ErrorCode, number>> = {
  bridge_closing: GOING_AWAY,
  bridge_message_malformed: 4400,
  bridge_message_unexpected: 4400,
  bridge_protocol_unknown: 4400,
  time_zone_unknown: 4400,
  batch_too_large: 4400,
  batch_out_of_order: 4400,
  bridge_unauthorized: 4401,
  bridge_simulated_mismatch: 4403,
  feed_unknown: 4404,
  bridge_hello_late: 4408,
  bridge_silent: 4408,
  bridge_session_replaced: 4409,
  overloaded: 4429,
};

/** 1011 (the server met an unexpected condition) for whatever has no code of its own. */
export const closeCodeOf = (code: ErrorCode): number => codes[code] ?? 1011;
