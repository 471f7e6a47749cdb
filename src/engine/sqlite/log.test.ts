import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareLogs } from "../../../testing/log-comparison.ts";
import { type LogHarness, logConformance } from "../../../testing/log-conformance.ts";
import type { Environment } from "../../base/index.ts";
import { openSqliteLog } from "./index.ts";

/** A small ring, so that wrapping, waiting for room and the way around it are met often. */
const RING_BYTES = 64 * 1024;

async function open(environment: Environment): Promise<LogHarness> {
  const folder = await mkdtemp(join(tmpdir(), "millpond-log-"));
  let store = await openSqliteLog({ folder, environment, ringBytes: RING_BYTES });
  return {
    store,
    async reopen() {
      await store.close();
      store = await openSqliteLog({ folder, environment, ringBytes: RING_BYTES });
      return store;
    },
    async dispose() {
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

logConformance("sqlite", open);
compareLogs("sqlite", open);
