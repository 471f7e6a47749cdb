/** What holds of every text that is stored, checked without counting more than needed. */

/** Whether a text has more code points than the limit. */
export function longerThan(text: string, limit: number): boolean {
  if (text.length <= limit) return false;
  if (text.length > limit * 2) return true;
  let count = 0;
  for (const _ of text) if (++count > limit) return true;
  return false;
}

/** No store may change a text or refuse it: neither NUL nor a surrogate without its pair. */
export const storable = (text: string): boolean => text.isWellFormed() && !text.includes("\0");

/** Bytes in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // A pair of surrogates is two units and four bytes, so each of the two counts one more.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit & 0xf800) !== 0xd800 ? 2 : 1;
  }
  return bytes;
}
