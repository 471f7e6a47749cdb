/**
 * Building and steering the fault shim. It needs Linux and a C compiler; where either is missing `buildFaultShim` says
 * so, and tests skip with that reason. A process runs under it with the environment that `faultEnvironment` gives; the
 * cells of the control file may be set from inside or outside that process at any time.
 */
import { execFile } from "node:child_process";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

/** Which files a fault concerns; add them up for several. */
export const faultFile = { wal: 1, database: 2, mark: 4, other: 8 } as const;

const cellNames = [
  /** Files whose syncs are counted and may fail. */
  "syncMask",
  /** The sync that fails with EIO, counted from 1; 0 for none. */
  "syncAt",
  "syncSeen",
  /** 1 makes every later one fail too. */
  "syncForever",
  "writeMask",
  /** The write from which on all fail, counted from 1; 0 for none. */
  "writeAt",
  "writeSeen",
  /** errno of failing writes; 0 means ENOSPC. */
  "writeErrno",
] as const;
type CellName = (typeof cellNames)[number];
export const errnoInputOutput = 5;

/** Compiles the shim into a folder, or says why that is not possible here. */
export async function buildFaultShim(
  folder: string,
): Promise<{ readonly library: string } | { readonly reason: string }> {
  if (process.platform !== "linux") return { reason: "the fault shim needs Linux (LD_PRELOAD)" };
  const library = join(folder, "shim.so");
  const source = new URL("./shim.c", import.meta.url).pathname;
  try {
    await promisify(execFile)("gcc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-lpthread"]);
    return { library };
  } catch (error) {
    return { reason: `the fault shim could not be built by gcc: ${(error as Error).message.split("\n")[0]}` };
  }
}

export interface FaultSetup {
  readonly library: string;
  /** Only files below are concerned. */
  readonly root: string;
  readonly control: string;
  /** Where what was synced is kept, for power cuts. */
  readonly image?: string;
}

export async function faultEnvironment({ library, root, control, image }: FaultSetup): Promise<NodeJS.ProcessEnv> {
  await writeFile(control, new Uint8Array(4096));
  if (image !== undefined) await mkdir(image, { recursive: true });
  return {
    ...process.env,
    LD_PRELOAD: library,
    MILLPOND_FAULT_ROOT: root,
    MILLPOND_FAULT_CONTROL: control,
    ...(image === undefined ? {} : { MILLPOND_FAULT_IMAGE: image }),
  };
}

export class FaultControl {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "r+");
  }
  set(cells: Partial<Record<CellName, number>>): void {
    for (const [name, value] of Object.entries(cells)) {
      const bytes = new Uint8Array(Int32Array.of(value).buffer);
      writeSync(this.#file, bytes, 0, 4, cellNames.indexOf(name as CellName) * 4);
    }
  }
  get(name: CellName): number {
    const cell = new Int32Array(1);
    readSync(this.#file, cell, 0, 4, cellNames.indexOf(name) * 4);
    return cell[0]!;
  }
  /** No faults, counters at zero. */
  clear(): void {
    this.set(Object.fromEntries(cellNames.map((name) => [name, 0])));
  }
  close(): void {
    closeSync(this.#file);
  }
}

/** Makes a folder hold what was durable at the cut, and nothing else. */
export async function restorePowerCut(image: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(image)) await cp(join(image, name), join(folder, name.split("%").at(-1)!));
}
