/** UUID version 7 (RFC 9562 section 5.7): ordered by creation time, unique by 74 random bits. */
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

export function createIdentifiers(clock: Clock, random: Random): () => string {
  let lastMillis = 0;
  let counter = 0;
  return () => {
    const millis = Math.floor(clock.now() / 1000);
    const bytes = random.bytes(16);
    // A clock that stands still or goes back must not break the order: the last time is kept, the counter rises.
    if (millis > lastMillis) {
      lastMillis = millis;
      counter = ((bytes[6]! & 0x03) << 8) | bytes[7]!;
    } else if (++counter > 0xfff) {
      lastMillis += 1;
      counter = 0;
    }
    const view = new DataView(bytes.buffer);
    view.setUint16(0, Math.floor(lastMillis / 2 ** 32));
    view.setUint32(2, lastMillis % 2 ** 32);
    view.setUint16(6, 0x7000 | counter);
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}
