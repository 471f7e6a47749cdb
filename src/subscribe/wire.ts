/**
 * The binary messages of the stream protocol (docs/protocol/stream.md), the same for server and client: a header of
 * 32 bytes, little endian, JSON beside it where there is something to say, and a batch in columns. Every part starts
 * at a multiple of 8, so that a reader views the numbers where they lie.
 */
import { aligned, alignedTo8, fail, fromUtf8, utf8 } from "../base/index.ts";
import { type Batch, decodeBatch, encodeBatch, type Layout } from "../batch/index.ts";
import type { Delivery, Frame } from "./types.ts";

export const PROTOCOL = "millpond.v1";
export const HEADER_BYTES = 32;

/** First byte of a binary message. */
export const MessageKind = { rows: 1, provisional: 2, gap: 3, cut: 4, receipt: 5, answer: 6, append: 16 } as const;

/** Bits of the second byte. */
export const MessageFlag = { correct: 1, continued: 2, repeated: 4 } as const;

export interface BinaryMessage {
  readonly kind: number;
  readonly flags: number;
  /** Appends: the number of an opened dataset; otherwise 0. */
  readonly handle: number;
  /** Frames: the channel; receipts and appends: the request. */
  readonly id: number;
  /** Frames and receipts: the position; appends: the number of the batch. */
  readonly position: number;
  /** Frames: the position before; receipts: rows accepted; appends: 0. */
  readonly previous: number;
  /** The JSON beside it, if any. */
  readonly meta: unknown;
  /** The columns, if any, not yet decoded. */
  readonly columns: Uint8Array | undefined;
}

export interface BinaryParts {
  readonly kind: number;
  readonly flags?: number;
  readonly handle?: number;
  readonly id: number;
  readonly position: number;
  readonly previous?: number;
  readonly meta?: unknown;
  readonly columns?: Uint8Array | undefined;
}

/** Bytes that a message will take, and its JSON in UTF-8. */
export function measureMessage(parts: BinaryParts): { readonly length: number; readonly meta: Uint8Array | undefined } {
  const meta = parts.meta === undefined ? undefined : utf8(JSON.stringify(parts.meta));
  return { length: HEADER_BYTES + alignedTo8(meta?.length ?? 0) + (parts.columns?.length ?? 0), meta };
}

/** Writes a measured message; `into` must be zero from `offset` on. */
export function writeMessage(into: Uint8Array, offset: number, parts: BinaryParts, meta: Uint8Array | undefined): void {
  const view = new DataView(into.buffer, into.byteOffset + offset, HEADER_BYTES);
  view.setUint8(0, parts.kind);
  view.setUint8(1, parts.flags ?? 0);
  view.setUint16(2, parts.handle ?? 0, true);
  view.setUint32(4, parts.id, true);
  view.setFloat64(8, parts.position, true);
  view.setFloat64(16, parts.previous ?? 0, true);
  view.setUint32(24, meta?.length ?? 0, true);
  if (meta !== undefined) into.set(meta, offset + HEADER_BYTES);
  if (parts.columns !== undefined) into.set(parts.columns, offset + HEADER_BYTES + alignedTo8(meta?.length ?? 0));
}

export function encodeMessage(parts: BinaryParts): Uint8Array<ArrayBuffer> {
  const { length, meta } = measureMessage(parts);
  const bytes = new Uint8Array(length);
  writeMessage(bytes, 0, parts, meta);
  return bytes;
}

/** @throws `frame_malformed` */
export function decodeMessage(given: Uint8Array): BinaryMessage {
  if (given.length < HEADER_BYTES) throw fail("frame_malformed", { problem: "shorter than its header" });
  const bytes = aligned(given);
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const metaLength = view.getUint32(24, true);
  const metaEnd = HEADER_BYTES + metaLength;
  const columnsAt = HEADER_BYTES + alignedTo8(metaLength);
  if (metaLength > bytes.length || columnsAt > bytes.length || view.getUint32(28, true) !== 0) {
    throw fail("frame_malformed", { problem: "lengths do not fit" });
  }
  return {
    kind: view.getUint8(0),
    flags: view.getUint8(1),
    handle: view.getUint16(2, true),
    id: view.getUint32(4, true),
    position: view.getFloat64(8, true),
    previous: view.getFloat64(16, true),
    meta: metaLength === 0 ? undefined : parseMeta(bytes.subarray(HEADER_BYTES, metaEnd)),
    columns: columnsAt === bytes.length ? undefined : bytes.subarray(columnsAt),
  };
}

function parseMeta(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    throw fail("frame_malformed", { problem: "the JSON beside the columns is not JSON" });
  }
}

/** The parts of each frame of a delivery. Frames without rows carry no columns. */
export function deliveryParts(delivery: Delivery): BinaryParts[] {
  return delivery.frames.map((frame, place) => frameParts(frame, delivery.channel, delivery.bytes[place]));
}

function frameParts(frame: Frame, id: number, bytes: Uint8Array | undefined): BinaryParts {
  switch (frame.kind) {
    case "rows": {
      const { cause, conflated, batch, position, previous } = frame;
      const correct = frame.operation === "correct" ? MessageFlag.correct : 0;
      const flags = correct | (frame.continued === true ? MessageFlag.continued : 0);
      const meta = cause === undefined && conflated === undefined ? undefined : { cause, conflated };
      const columns = batch.count === 0 ? undefined : (bytes ?? encodeBatch(batch));
      return { kind: MessageKind.rows, flags, id, position, previous, meta, columns };
    }
    case "provisional":
      return { kind: MessageKind.provisional, id, position: frame.asOf, columns: encodeBatch(frame.batch) };
    case "gap":
      return {
        kind: MessageKind.gap,
        id,
        position: frame.through,
        previous: frame.after,
        meta: { cause: frame.cause },
      };
    case "cut":
      return { kind: MessageKind.cut, id, position: frame.cursor, meta: { cause: frame.cause } };
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/**
 * The frame of a binary message, in the layout its subscription was told.
 * @throws `frame_malformed`, `batch_malformed`
 */
export function frameOfMessage(message: BinaryMessage, layout: Layout, empty: Batch): Frame {
  const meta = isObject(message.meta) ? message.meta : {};
  const batch = message.columns === undefined ? empty : decodeBatch(message.columns);
  if (batch.columns.length !== layout.length)
    throw fail("frame_malformed", { problem: "columns differ from the layout" });
  switch (message.kind) {
    case MessageKind.rows:
      return {
        kind: "rows",
        position: message.position,
        previous: message.previous,
        operation: (message.flags & MessageFlag.correct) === 0 ? "append" : "correct",
        batch,
        layout,
        ...((message.flags & MessageFlag.continued) !== 0 && { continued: true }),
        ...meta,
      };
    case MessageKind.provisional:
      return { kind: "provisional", asOf: message.position, batch, layout };
    case MessageKind.gap:
      return { kind: "gap", after: message.previous, through: message.position, cause: "conflated", ...meta };
    case MessageKind.cut:
      return { kind: "cut", cursor: message.position, cause: "shutdown", ...meta };
    default:
      throw fail("frame_malformed", { problem: `a message of kind ${message.kind} is not a frame` });
  }
}
