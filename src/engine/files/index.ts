/**
 * Engine `files`: plain files in a folder. Its promise: what is written replaces what was there as a whole or not at
 * all, and what is read is what was written or an error.
 */
export { createFileSnapshots } from "./snapshots.ts";
