/**
 * The reading thread: a connection of its own, read only, so that long reads never stand in the way of commits. Each
 * read is one bounded statement, and verifying goes in steps: no snapshot is held for long, which would keep the
 * write-ahead log from starting over.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { sameBytes } from "../../base/index.ts";
import type { FromReader, ReadCommit, ToReader } from "./messages.ts";
import { findPositionAt, readCommits } from "./read.ts";
import { openForReading, primaryCode, problemOf, sqliteCode } from "./schema.ts";
import { verifyCommits } from "./verify.ts";

const { databasePath } = workerData as { readonly databasePath: string };
const database = openForReading(databasePath);

function post(message: FromReader, commits: readonly ReadCommit[] = []): void {
  parentPort?.postMessage(
    message,
    commits.map(({ payload }) => payload.buffer),
  );
}

async function verify({ id, from, through, hash }: Extract<ToReader, { kind: "verify" }>): Promise<void> {
  const steps = verifyCommits(database, from, through);
  let step = steps.next();
  while (!step.done) {
    post({ kind: "progress", id, position: step.value });
    await nextTurn();
    step = steps.next();
  }
  let fault = step.value;
  if (fault === undefined && through > 0) {
    const stored = database.prepare("SELECT hash FROM commits WHERE position = ?").get(through);
    if (!stored || !sameBytes(stored.hash as Uint8Array, hash)) {
      fault = { position: through, problem: "the stored head is not the one that was acknowledged" };
    }
  }
  post(fault === undefined ? { kind: "verified", id } : { kind: "verified", id, fault });
}

async function answer(request: ToReader): Promise<void> {
  switch (request.kind) {
    case "read": {
      const commits = readCommits(database, request.after, request.limit);
      return post({ kind: "commits", id: request.id, commits }, commits);
    }
    case "positionAt":
      return post({
        kind: "position",
        id: request.id,
        position: findPositionAt(database, request.at, request.through),
      });
    case "verify":
      return await verify(request);
    case "close":
      database.close();
      post({ kind: "closed", id: request.id });
      parentPort?.close();
  }
}

parentPort?.on("message", (request: ToReader) => {
  answer(request).catch((error: unknown) => {
    const code = primaryCode(error);
    const corrupt = code === sqliteCode.corrupt || code === sqliteCode.notDatabase;
    post({
      kind: "failed",
      id: request.id,
      code: corrupt ? "log_corrupt" : "internal",
      details: { position: "unknown", problem: problemOf(error) },
    });
  });
});
