/**
 * The high-water mark, outside the database: SQLite takes a damaged write-ahead log for its end and says nothing, so
 * position and hash of the newest acknowledged commit stand in `log.mark` too. Two slots are written in turn, each with
 * its own checksum, so that a torn write leaves the one before. Written after each durable group, before anybody is
 * told; synced in the background, so after a power cut it may lag behind the log but never runs ahead of it.
 *
 * A slot, at 0 and at 4096, little endian: `MPMK`, u32 version, u64 sequence, u64 position, hash (32), u32 CRC-32.
 */
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";

const MAGIC = 0x4b4d504d;
const VERSION = 1;
const SLOT_BYTES = 60;
const SLOT_OFFSETS = [0, 4096] as const;

export interface Mark {
  readonly position: number;
  readonly hash: Uint8Array;
}

export class MarkFile {
  readonly #file: number;
  readonly #slot = new Uint8Array(SLOT_BYTES);
  readonly #view = new DataView(this.#slot.buffer);
  #sequence = 0;
  /** What stood there at open; undefined where neither slot is whole. */
  readonly found: Mark | undefined;

  /** Opens the file, or makes it (then nothing was found). */
  constructor(path: string) {
    this.#file = openMark(path);
    const slots = SLOT_OFFSETS.map((offset) => this.#read(offset)).filter((slot) => slot !== undefined);
    const newest = slots.toSorted((left, right) => right.sequence - left.sequence)[0];
    this.#sequence = newest?.sequence ?? 0;
    this.found = newest;
    this.#view.setUint32(0, MAGIC, true);
    this.#view.setUint32(4, VERSION, true);
  }
  write({ position, hash }: Mark): void {
    this.#sequence += 1;
    this.#view.setBigUint64(8, BigInt(this.#sequence), true);
    this.#view.setBigUint64(16, BigInt(position), true);
    this.#slot.set(hash, 24);
    this.#view.setUint32(56, crc32(this.#slot.subarray(0, 56)), true);
    writeSync(this.#file, this.#slot, 0, SLOT_BYTES, SLOT_OFFSETS[this.#sequence % 2]!);
  }
  sync(): void {
    fsyncSync(this.#file);
  }
  close(): void {
    closeSync(this.#file);
  }

  #read(offset: number): (Mark & { readonly sequence: number }) | undefined {
    const slot = new Uint8Array(SLOT_BYTES);
    const view = new DataView(slot.buffer);
    if (readSync(this.#file, slot, 0, SLOT_BYTES, offset) !== SLOT_BYTES) return undefined;
    if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== VERSION) return undefined;
    if (view.getUint32(56, true) !== crc32(slot.subarray(0, 56))) return undefined;
    return {
      sequence: Number(view.getBigUint64(8, true)),
      position: Number(view.getBigUint64(16, true)),
      hash: slot.slice(24, 56),
    };
  }
}

function openMark(path: string): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    const file = openSync(path, "wx+");
    // Both slots exist from the start: later writes overwrite in place, which needs no new blocks and no new size.
    writeSync(file, new Uint8Array(SLOT_OFFSETS[1] + SLOT_BYTES), 0, undefined, 0);
    fsyncSync(file);
    return file;
  }
}
