/**
 * The messages of the bridge protocol, version 1 (docs/protocol/bridge.md). The schemas here are what the server
 * checks; the types are derived from them. The rows of `ticks` are judged one by one by the decoder instead.
 */
import { type Static, Type } from "typebox";
import { Compile } from "typebox/compile";
import { fail, type MillpondError } from "../../base/index.ts";
import type { Account } from "../../log/index.ts";

export const PROTOCOL_VERSION = 1;

const text = (limit: number) => Type.String({ minLength: 1, maxLength: limit });
const batchNumber = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const serverTime = Type.Union([Type.Null(), Type.Integer({ minimum: 0, maximum: 8.64e15 / 1000 })]);

const symbolSchema = Type.Object({
  name: text(64),
  digits: Type.Integer({ minimum: 0, maximum: 12 }),
  point: Type.Number({ minimum: 0, maximum: 1e6 }),
});

const helloSchema = Type.Object({
  type: Type.Literal("hello"),
  protocol: Type.Integer(),
  token: text(512),
  terminal: Type.Object({
    id: text(128),
    name: text(128),
    build: Type.Optional(Type.Integer({ minimum: 0 })),
    simulated: Type.Boolean(),
  }),
  feed: Type.Optional(text(64)),
  session: Type.String({ pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$" }),
  symbols: Type.Array(symbolSchema, { maxItems: 2_000 }),
  serverTimeZone: text(64),
});
const heartbeatSchema = Type.Object({ type: Type.Literal("heartbeat"), time: serverTime, batch: batchNumber });
const symbolsSchema = Type.Object({
  type: Type.Literal("symbols"),
  symbols: Type.Array(symbolSchema, { maxItems: 2_000 }),
});
const brokerSchema = Type.Object({ type: Type.Literal("broker"), connected: Type.Boolean() });
const goodbyeSchema = Type.Object({ type: Type.Literal("goodbye"), time: serverTime, batch: batchNumber });

export type Hello = Static<typeof helloSchema>;
export type Heartbeat = Static<typeof heartbeatSchema>;
export type SymbolsMessage = Static<typeof symbolsSchema>;
export type BrokerMessage = Static<typeof brokerSchema>;
export type Goodbye = Static<typeof goodbyeSchema>;
export type TerminalSymbol = Static<typeof symbolSchema>;
/** `[symbol, time_msc, bid, ask, last, volume, flags]`; see the protocol for what may be left out. */
export type TickRow = readonly [string, number, ...(string | number | null)[]];
export interface TicksMessage {
  readonly type: "ticks";
  readonly batch: number;
  readonly ticks: readonly unknown[];
}
export type TerminalMessage = Hello | TicksMessage | Heartbeat | SymbolsMessage | BrokerMessage | Goodbye;

export interface Welcome {
  readonly type: "welcome";
  readonly protocol: number;
  readonly feed: string;
  readonly session: string;
  /** The last durable batch of the session; 0 for a new one. */
  readonly lastBatch: number;
  readonly heartbeatMs: number;
  readonly silentMs: number;
  readonly limits: { readonly ticksPerBatch: number; readonly messageBytes: number; readonly batchesInFlight: number };
}
export interface Ack {
  readonly type: "ack";
  readonly batch: number;
  readonly position: number;
  readonly account: Account;
  readonly repeated?: true;
  readonly rejections?: {
    /** Rows by reason code. */
    readonly codes: Readonly<Record<string, number>>;
    readonly sample: readonly { readonly place: number; readonly outcome: string; readonly code: string }[];
  };
}
export interface Nack {
  readonly type: "nack";
  readonly batch: number;
  readonly expected: number;
  readonly code: string;
  readonly message: string;
}
export interface Pause {
  readonly type: "pause";
  readonly pauseMs: number;
  readonly expected: number;
  readonly code: string;
  readonly message: string;
}
export interface ServerHeartbeat {
  readonly type: "heartbeat";
  /** UTC milliseconds. */
  readonly time: number;
  readonly lastBatch: number;
}
export interface ServerGoodbye {
  readonly type: "goodbye";
  readonly lastBatch: number;
}
export interface ErrorMessage {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}
export type ServerMessage = Welcome | Ack | Nack | Pause | ServerHeartbeat | ServerGoodbye | ErrorMessage;

const validators = {
  hello: Compile(helloSchema),
  heartbeat: Compile(heartbeatSchema),
  symbols: Compile(symbolsSchema),
  broker: Compile(brokerSchema),
  goodbye: Compile(goodbyeSchema),
} as const;

const malformed = (problem: string): MillpondError => fail("bridge_message_malformed", { problem });

/** @throws `bridge_message_malformed`; the problem names the place and the expectation, never a value. */
export function parseMessage(json: string): TerminalMessage {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw malformed("not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed("not an object");
  const { type } = value as { type?: unknown };
  if (type === "ticks") return checkTicks(value as Record<string, unknown>);
  if (typeof type !== "string" || !Object.hasOwn(validators, type)) throw malformed("unknown type");
  const validator = validators[type as keyof typeof validators];
  if (validator.Check(value)) return value;
  const first = validator.Errors(value)[0];
  throw malformed(`${type}${first?.instancePath ?? ""} ${first?.message ?? "is not as declared"}`);
}

function checkTicks(value: Record<string, unknown>): TicksMessage {
  const { batch, ticks } = value;
  if (!Number.isSafeInteger(batch) || (batch as number) < 1) throw malformed("ticks/batch must be a positive integer");
  if (!Array.isArray(ticks) || ticks.length === 0) throw malformed("ticks/ticks must be an array with elements");
  return { type: "ticks", batch: batch as number, ticks };
}
