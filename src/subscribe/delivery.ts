/** A delivery, and the frames that are built in more than one place. */
import { type Batch, emptyBatch, type Layout } from "../batch/index.ts";
import type { Position } from "../log/index.ts";
import type { Delivery, Encoding, Frame, RowsFrame } from "./types.ts";

class SharedDelivery implements Delivery {
  readonly channel: number;
  readonly frames: readonly Frame[];
  readonly bytes: readonly (Uint8Array | undefined)[];
  readonly rows: number;
  /** Encodings and what they gave, in pairs: there are at most three, so a scan beats a map. */
  readonly #encoded: unknown[] = [];

  constructor(channel: number, frames: readonly Frame[], bytes: readonly (Uint8Array | undefined)[]) {
    this.channel = channel;
    this.frames = frames;
    this.bytes = bytes;
    let rows = 0;
    for (const frame of frames) if (frame.kind === "rows") rows += frame.batch.count;
    this.rows = rows;
  }
  encoded<Bytes>(encoding: Encoding<Bytes>): Bytes {
    const known = this.#encoded;
    for (let place = 0; place < known.length; place += 2) {
      if (known[place] === encoding) return known[place + 1] as Bytes;
    }
    const made = encoding.encode(this);
    known.push(encoding, made);
    return made;
  }
}

export function createDelivery(
  channel: number,
  frames: readonly Frame[],
  bytes: readonly (Uint8Array | undefined)[] = [],
): Delivery {
  return new SharedDelivery(channel, frames, bytes);
}

const emptyBatches = new WeakMap<Layout, Batch>();

/** A frame that moves the cursor and carries no rows. */
export function progressFrame(layout: Layout, previous: Position, position: Position): RowsFrame {
  const batch = emptyBatches.get(layout) ?? emptyBatch(layout);
  emptyBatches.set(layout, batch);
  return { kind: "rows", position, previous, operation: "append", batch, layout };
}

/** About how much memory a batch holds. */
export function batchSize(batch: Batch): number {
  let size = 64;
  for (const column of batch.columns) {
    if (column.kind === "number") size += column.values.byteLength;
    else if (column.kind === "boolean") size += column.values.length;
    else {
      size += column.indexes.byteLength;
      for (const text of column.dictionary) size += 16 + text.length;
    }
  }
  return size;
}
