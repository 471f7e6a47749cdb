/**
 * A process that writes to a log until it is killed, and says what was acknowledged: `ready <head>`, then
 * `ack <position> <hash>` after each durable append. Its output is written at once, so what it said before a SIGKILL
 * is what its reader gets. Arguments: folder, synchronous mode, drafts in flight.
 */
import { writeSync } from "node:fs";
import { createEnvironment, toHex } from "../../src/base/index.ts";
import { openSqliteLog } from "../../src/engine/sqlite/index.ts";
import { createLog } from "../../src/log/index.ts";
import { sampleDraft } from "../log-samples.ts";

const [, , folder = "", mode = "full", inFlight = "8", limit = "1000000"] = process.argv;
const environment = createEnvironment();
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Out of the process when it returns; waits where the pipe is full. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

const store = await openSqliteLog({ folder, environment, synchronous: mode === "normal" ? "normal" : "full" });
const log = createLog(store, environment);
say(`ready ${log.head.position}`);

async function write(lane: number): Promise<void> {
  while (log.head.position < Number(limit)) {
    const rows = environment.random.next() < 0.05 ? 2000 : 1 + Math.floor(environment.random.next() * 20);
    const { position, hash } = await log.append(sampleDraft(lane % 2 === 0 ? "ticks" : "bars", rows, lane));
    say(`ack ${position} ${toHex(hash)}`);
  }
}
await Promise.all(Array.from({ length: Number(inFlight) }, (_, lane) => write(lane)));
say("done");
// Stays open: whoever started it decides how it ends.
setInterval(() => {}, 60_000);
