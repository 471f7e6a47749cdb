/**
 * The hash chain (docs/protocol/log-format.md). Everything variable is length-prefixed, so that no two commits share
 * their hashed bytes; little endian:
 *
 * - `MPCOMMIT`, 8 bytes of ASCII; hash of the commit before, 32 bytes (zero for the first)
 * - position, u64; at, i64, microseconds
 * - header length in bytes, u32; header, the stored UTF-8 text
 * - payload hash, 32 bytes: SHA-256 of the bytes of the changes, one behind the other
 */
import { hash } from "node:crypto";
import type { Position } from "./types.ts";

const MAGIC = Uint8Array.from("MPCOMMIT", (letter) => letter.charCodeAt(0));
const FIXED_BYTES = 8 + 32 + 8 + 8 + 4 + 32;

/** What stands in place of the hash before the first commit. */
export const zeroHash: Uint8Array = new Uint8Array(32);

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

export function hashCommit(
  previous: Uint8Array,
  position: Position,
  at: number,
  header: Uint8Array,
  payloadHash: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(FIXED_BYTES + header.length);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC, 0);
  bytes.set(previous, 8);
  view.setBigUint64(40, BigInt(position), true);
  view.setBigInt64(48, BigInt(at), true);
  view.setUint32(56, header.length, true);
  bytes.set(header, 60);
  bytes.set(payloadHash, 60 + header.length);
  return sha256(bytes);
}
