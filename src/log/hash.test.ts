import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { it } from "node:test";
import { fromHex, toHex, utf8 } from "../base/index.ts";
import { hashCommit, sha256, zeroHash } from "./index.ts";

const header = '{"actor":"feed:börse","cause":{"kind":"contract","dataset":"ticks","version":1},"changes":[]}';

it("hashes a commit by the documented layout", () => {
  const previous = sha256(utf8("before"));
  const payload = utf8("payload");
  const position = 2 ** 40 + 1;
  const at = 1_790_000_000_123_456;
  const fixed = Buffer.alloc(20);
  fixed.writeBigUInt64LE(BigInt(position), 0);
  fixed.writeBigInt64LE(BigInt(at), 8);
  fixed.writeUInt32LE(Buffer.byteLength(header), 16);
  const expected = createHash("sha256")
    .update("MPCOMMIT")
    .update(previous)
    .update(fixed)
    .update(header, "utf8")
    .update(createHash("sha256").update(payload).digest())
    .digest("hex");
  assert.equal(toHex(hashCommit(previous, position, at, utf8(header), sha256(payload))), expected);
});

it("never changes: logs written earlier must verify", () => {
  const hash = hashCommit(zeroHash, 1, 1_790_000_000_000_000, utf8(header), sha256(new Uint8Array(0)));
  assert.deepEqual(hash.length, 32);
  assert.equal(toHex(hash), "4c6b78c01fc8b2b6f9fcdca16ec7c14246ed680d394ed5fcf1c423167e6590fc");
  assert.notEqual(
    toHex(hashCommit(fromHex(toHex(hash)), 1, 1_790_000_000_000_000, utf8(header), zeroHash)),
    toHex(hash),
  );
});
