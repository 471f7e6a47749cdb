/**
 * Lines of a byte stream, in blocks, with bounded memory. A line that cannot be used (too long, not in the encoding)
 * is set aside under its own number and costs no other line.
 */
import { fail } from "../../base/index.ts";

export interface BadLine {
  readonly raw: string;
  readonly problem: string;
}
export interface LineBlock {
  /** Number of the first line in the file, from 1. */
  readonly firstLine: number;
  readonly lines: readonly (string | BadLine)[];
}

const NEWLINE = 10;
const RAW_KEPT = 1_024;

export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  encoding: "utf-8" | "latin1",
  lineBytes: number,
): AsyncGenerator<LineBlock> {
  const decode = encoding === "latin1" ? latin1Lines : utf8Lines;
  let rest: Buffer = Buffer.alloc(0);
  let firstLine = 1;
  let skipping: Buffer | undefined;
  let first = true;
  for await (const chunk of chunks) {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (first && bytes.length >= 3) {
      bytes = withoutMark(bytes);
      first = false;
    }
    if (skipping) {
      const end = bytes.indexOf(NEWLINE);
      if (end < 0) continue;
      yield { firstLine, lines: [tooLong(skipping)] };
      firstLine += 1;
      skipping = undefined;
      bytes = bytes.subarray(end + 1);
    }
    const end = bytes.lastIndexOf(NEWLINE);
    if (end >= 0) {
      const lines = decode(bytes.subarray(0, end), lineBytes);
      yield { firstLine, lines };
      firstLine += lines.length;
    }
    rest = bytes.subarray(end + 1);
    if (rest.length > lineBytes) {
      skipping = Buffer.from(rest.subarray(0, RAW_KEPT));
      rest = Buffer.alloc(0);
    }
  }
  if (skipping) yield { firstLine, lines: [tooLong(skipping)] };
  else if (rest.length > 0) yield { firstLine, lines: decode(first ? withoutMark(rest) : rest, lineBytes) };
}

function withoutMark(bytes: Buffer): Buffer {
  const [one, two, three] = bytes;
  if ((one === 0xff && two === 0xfe) || (one === 0xfe && two === 0xff))
    throw fail("import_file_refused", { problem: "it is UTF-16; save it as UTF-8" });
  return one === 0xef && two === 0xbb && three === 0xbf ? bytes.subarray(3) : bytes;
}

const tooLong = (start: Buffer): BadLine => ({ raw: start.toString("latin1"), problem: "the line is too long" });

function utf8Lines(bytes: Buffer, lineBytes: number): (string | BadLine)[] {
  // The whole block at once is by far the fastest; only a block with a fault in it is read line by line.
  const text = strictText(bytes);
  if (text !== undefined) return checked(text.split("\n"), lineBytes);
  const lines: (string | BadLine)[] = [];
  for (let start = 0; start <= bytes.length; ) {
    const found = bytes.indexOf(NEWLINE, start);
    const end = found < 0 ? bytes.length : found;
    const line = bytes.subarray(start, end);
    lines.push(strictText(line) ?? { raw: line.toString("latin1", 0, RAW_KEPT), problem: "the line is not UTF-8" });
    start = end + 1;
  }
  return checked(lines, lineBytes);
}

function latin1Lines(bytes: Buffer, lineBytes: number): (string | BadLine)[] {
  return checked(bytes.toString("latin1").split("\n"), lineBytes);
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
function strictText(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function checked(lines: (string | BadLine)[], lineBytes: number): (string | BadLine)[] {
  for (let place = 0; place < lines.length; place++) {
    const line = lines[place]!;
    if (typeof line !== "string") continue;
    if (line.length > lineBytes) lines[place] = { raw: line.slice(0, RAW_KEPT), problem: "the line is too long" };
    else if (line.charCodeAt(line.length - 1) === 13) lines[place] = line.slice(0, -1);
  }
  return lines;
}
