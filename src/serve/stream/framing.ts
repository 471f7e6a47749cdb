/**
 * WebSocket messages as the bytes of RFC 6455, made once and written to every socket alike. A server does not mask,
 * so the bytes of a message are the same for all its receivers; they are written to the socket beneath `ws`, whole
 * messages at a time, which is where `ws` itself writes them (no compression is negotiated).
 */
import { type BinaryParts, measureMessage, writeMessage } from "../../subscribe/index.ts";

const TEXT = 0x81;
const BINARY = 0x82;

const headerLength = (length: number): number => (length < 126 ? 2 : length < 65_536 ? 4 : 10);

function writeHeader(into: Buffer, offset: number, first: number, length: number): number {
  into[offset] = first;
  if (length < 126) {
    into[offset + 1] = length;
    return offset + 2;
  }
  if (length < 65_536) {
    into[offset + 1] = 126;
    into.writeUInt16BE(length, offset + 2);
    return offset + 4;
  }
  into[offset + 1] = 127;
  into.writeUInt32BE(Math.floor(length / 2 ** 32), offset + 2);
  into.writeUInt32BE(length % 2 ** 32, offset + 6);
  return offset + 10;
}

/** Text messages, one behind the other. */
export function textMessages(texts: readonly string[]): Buffer {
  const lengths = texts.map((text) => Buffer.byteLength(text));
  const total = lengths.reduce((sum, length) => sum + headerLength(length) + length, 0);
  const bytes = Buffer.allocUnsafe(total);
  let offset = 0;
  for (let place = 0; place < texts.length; place++) {
    offset = writeHeader(bytes, offset, TEXT, lengths[place]!);
    offset += bytes.write(texts[place]!, offset);
  }
  return bytes;
}

/** Binary messages, one behind the other. */
export function binaryMessages(messages: readonly BinaryParts[]): Buffer {
  const measured = messages.map(measureMessage);
  const total = measured.reduce((sum, { length }) => sum + headerLength(length) + length, 0);
  const bytes = Buffer.alloc(total);
  let offset = 0;
  for (let place = 0; place < messages.length; place++) {
    const { length, meta } = measured[place]!;
    offset = writeHeader(bytes, offset, BINARY, length);
    writeMessage(bytes, offset, messages[place]!, meta);
    offset += length;
  }
  return bytes;
}
