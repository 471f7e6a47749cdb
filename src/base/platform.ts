/** The few calls that differ between Node and browsers, in one place, so that the client can share the base. */
export function getRandomValues(count: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(count));
}
