/**
 * The files inside a file: itself, or what is packed in it. The only place of this room that opens files. Packed
 * data is read as a stream under absolute and relative caps, and nothing is ever written to disk.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import yauzl, { type Entry, type ZipFile } from "yauzl";
import { fail, MillpondError } from "../../base/index.ts";

export interface ImportLimits {
  readonly lineBytes: number;
  readonly columns: number;
  /** All that comes out of one packed file. */
  readonly unpackedBytes: number;
  /** Unpacked to packed, once a first mebibyte has come out. */
  readonly ratio: number;
  readonly entries: number;
  /** Layouts that are read whole. */
  readonly wholeBytes: number;
}

export const importLimits: ImportLimits = {
  lineBytes: 65_536,
  columns: 1_000,
  unpackedBytes: 64 * 2 ** 30,
  ratio: 200,
  entries: 10_000,
  wholeBytes: 64 * 2 ** 20,
};

export interface FileEntry {
  readonly name: string;
  readonly chunks: AsyncIterable<Buffer>;
}
/** Bytes of the file on disk read so far: what progress is measured by. */
export interface ReadCount {
  bytes: number;
}

const refused = (problem: string): MillpondError => fail("import_file_refused", { problem });
const FREE_BYTES = 1_048_576;

export async function* openEntries(path: string, limits: ImportLimits, read: ReadCount): AsyncGenerator<FileEntry> {
  const packing = await packingOf(path);
  if (packing === "zip") return yield* zipEntries(path, limits, read);
  const file = createReadStream(path, { highWaterMark: 262_144 });
  const count = (chunk: Buffer): void => {
    read.bytes += chunk.length;
  };
  if (packing === "plain") {
    yield { name: basename(path), chunks: counted(file, count) };
    return;
  }
  const gunzip = createGunzip({ chunkSize: 262_144 });
  file.on("data", (chunk) => count(chunk as Buffer));
  pipeline(file, gunzip, () => {});
  yield { name: basename(path).replace(/\.gz$/i, ""), chunks: capped(gunzip, limits, () => read.bytes, { bytes: 0 }) };
}

async function packingOf(path: string): Promise<"plain" | "gzip" | "zip"> {
  const handle = await open(path).catch((error: unknown) => {
    throw fail("import_file_refused", { problem: "it cannot be opened" }, error);
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    if (bytesRead >= 2 && buffer[0] === 0x1f && buffer[1] === 0x8b) return "gzip";
    return bytesRead === 4 && buffer.readUInt32LE(0) === 0x04034b50 ? "zip" : "plain";
  } finally {
    await handle.close();
  }
}

async function* counted(stream: Readable, count: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    count(chunk as Buffer);
    yield chunk as Buffer;
  }
}

async function* capped(
  stream: Readable,
  limits: ImportLimits,
  packedBytes: () => number,
  unpacked: ReadCount,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) {
      unpacked.bytes += (chunk as Buffer).length;
      if (unpacked.bytes > limits.unpackedBytes) throw refused(`it unpacks to more than ${limits.unpackedBytes} bytes`);
      if (unpacked.bytes > FREE_BYTES && unpacked.bytes > limits.ratio * packedBytes())
        throw refused(`it unpacks to more than ${limits.ratio} times its size`);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw error instanceof MillpondError
      ? error
      : fail("import_file_refused", { problem: "its packing is damaged" }, error);
  }
}

async function* zipEntries(path: string, limits: ImportLimits, read: ReadCount): AsyncGenerator<FileEntry> {
  const zip = await openZip(path);
  try {
    const entries = await listEntries(zip, limits);
    const unpacked = { bytes: 0 };
    let packedBefore = 0;
    for (const entry of entries) {
      const stream = await new Promise<Readable>((resolve, reject) => {
        zip.openReadStream(entry, (error, opened) => (error ? reject(error) : resolve(opened)));
      });
      const through = packedBefore + entry.compressedSize;
      // The packed bytes are not seen one by one: an entry counts as read in full from its start.
      yield { name: basename(entry.fileName), chunks: capped(stream, limits, () => through, unpacked) };
      packedBefore = through;
      read.bytes = through;
    }
  } finally {
    zip.close();
  }
}

function openZip(path: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    const options = { lazyEntries: true, autoClose: false, strictFileNames: true, validateEntrySizes: true };
    yauzl.open(path, options, (error, zip) => {
      if (error) reject(fail("import_file_refused", { problem: "its directory is damaged" }, error));
      else resolve(zip);
    });
  });
}

/** All entries that hold data, by name; refuses the archive for anything an honest one does not have. */
async function listEntries(zip: ZipFile, limits: ImportLimits): Promise<Entry[]> {
  const entries = await new Promise<Entry[]>((resolve, reject) => {
    const found: Entry[] = [];
    zip.on("error", (error) => reject(fail("import_file_refused", { problem: "its directory is damaged" }, error)));
    zip.on("end", () => resolve(found));
    zip.on("entry", (entry: Entry) => {
      if (found.push(entry) > limits.entries) reject(refused(`it holds more than ${limits.entries} files`));
      else zip.readEntry();
    });
    zip.readEntry();
  });
  const names = new Set<string>();
  let unpacked = 0;
  const files = entries.filter(({ fileName }) => !fileName.endsWith("/"));
  for (const entry of files) {
    const isLink = ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000;
    if (isLink) throw refused("it holds a link");
    if (entry.isEncrypted()) throw refused("it is encrypted");
    if (/\.(?:zip|gz|7z|rar|bz2|xz)$/i.test(entry.fileName)) throw refused("it holds another packed file");
    if (names.has(entry.fileName)) throw refused("it holds one name twice");
    names.add(entry.fileName);
    unpacked += entry.uncompressedSize;
  }
  if (unpacked > limits.unpackedBytes) throw refused(`it unpacks to more than ${limits.unpackedBytes} bytes`);
  return files.sort((left, right) => (left.fileName < right.fileName ? -1 : 1));
}
