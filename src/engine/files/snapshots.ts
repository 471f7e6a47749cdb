/**
 * Snapshots as files: magic, SHA-256 of the rest, then the snapshot as the runtime serialises it. Written beside the
 * old one, synced, and renamed over it.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import { assert, fail, utf8 } from "../../base/index.ts";
import type { Snapshot, SnapshotStore } from "../../view/index.ts";

const MAGIC = utf8("MPSNAP1\n");
const HASH_BYTES = 32;

/** The folder is made on the first write. */
export function createFileSnapshots(folder: string): SnapshotStore {
  const fileOf = (name: string): string => {
    assert(/^[A-Za-z0-9_.-]{1,100}$/.test(name) && !name.startsWith("."), "a snapshot's name is a plain file name");
    return join(folder, `${name}.snapshot`);
  };
  return {
    async read(name) {
      const bytes = await readFile(fileOf(name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw fail("snapshot_damaged", { name, problem: error.code ?? "unreadable" }, error);
      });
      return bytes && read(name, bytes);
    },
    async write(name, snapshot) {
      await mkdir(folder, { recursive: true });
      const payload = serialize(snapshot);
      const hash = createHash("sha256").update(payload).digest();
      const file = fileOf(name);
      const handle = await open(`${file}.new`, "w", 0o600);
      try {
        await handle.writev([MAGIC, hash, payload]);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(`${file}.new`, file);
      await syncFolder(folder);
    },
  };
}

function read(name: string, bytes: Buffer): Snapshot {
  const payload = bytes.subarray(MAGIC.length + HASH_BYTES);
  const hash = bytes.subarray(MAGIC.length, MAGIC.length + HASH_BYTES);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw fail("snapshot_damaged", { name, problem: "magic" });
  if (!createHash("sha256").update(payload).digest().equals(hash)) {
    throw fail("snapshot_damaged", { name, problem: "checksum" });
  }
  try {
    return deserialize(payload) as Snapshot;
  } catch (error) {
    throw fail("snapshot_damaged", { name, problem: "form" }, error);
  }
}

/** So that the rename itself survives a power cut; where folders cannot be opened the rename alone must do. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  if (!handle) return;
  try {
    await handle.sync().catch(() => {});
  } finally {
    await handle.close();
  }
}
