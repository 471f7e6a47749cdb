/**
 * Damaged files: a write-ahead log cut at any byte, single flipped bits, lost or torn marks. Whatever happens to the
 * bytes, opening either finds every acknowledged commit or says that something is missing.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { sampleDraft } from "../../../testing/log-samples.ts";
import { MillpondError, seededRandom, utf8 } from "../../base/index.ts";
import { encodeHeader, type Head } from "../../log/index.ts";
import { Committer } from "./committer.ts";
import { type OpenedLog, openLog } from "./open.ts";
import { datasetsText } from "./schema.ts";
import { verifyCommits } from "./verify.ts";

const COMMITS = 60;
const runs = Number(process.env.MILLPOND_RUNS ?? 300);

const start = (folder: string, acceptLoss = false) =>
  ({ folder, synchronous: "full", acceptLoss, now: 1_800_000_000_000_000 }) as const;

function commit(log: OpenedLog, from: number, count: number, rows = 3): void {
  const committer = new Committer(log.database, log.mark, log.head);
  for (let index = 0; index < count; index++) {
    const draft = sampleDraft("ticks", rows, index);
    const commits = [
      { header: utf8(encodeHeader(draft)), datasets: datasetsText(["ticks"]), payload: draft.changes[0]!.bytes },
    ];
    const entry = {
      kind: 1,
      first: from + index,
      at: log.head.at + index + 1,
      count: 1,
      bytes: 0,
      hashes: new Uint8Array(32),
      commits,
    };
    committer.commit([{ entry, commits }]);
  }
}

function close({ database, mark, lock }: OpenedLog): void {
  database.close();
  mark.close();
  lock.release();
}

/** What opening a damaged folder says: an error's code, or the head and whether every commit is as it was. */
function outcome(folder: string, hashes: readonly string[]): { code: string } | { head: number; faults: number } {
  let log: OpenedLog;
  try {
    log = openLog(start(folder));
  } catch (error) {
    if (!(error instanceof MillpondError)) throw error;
    return { code: error.code };
  }
  const stored = log.database.prepare("SELECT hash FROM commits ORDER BY position").all();
  const faults = stored.filter(({ hash }, index) => hex(hash as Uint8Array) !== hashes[index]).length;
  const steps = [...verifyCommits(log.database, 1, log.head.position)];
  assert.ok(log.head.position === 0 || steps.at(-1) === log.head.position);
  close(log);
  return { head: log.head.position, faults };
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("damage", () => {
  let base: string;
  let folder: string;
  /** A folder as a killed process leaves it: 60 acknowledged commits, all still in the write-ahead log. */
  let killed: string;
  const hashes: string[] = [];
  let head: Head;

  before(() => {
    base = mkdtempSync(join(tmpdir(), "millpond-damage-"));
    folder = join(base, "damaged");
    killed = join(base, "killed");
    const live = join(base, "live");
    mkdirSync(live);
    const log = openLog(start(live));
    commit(log, 1, COMMITS);
    // By another process: reading the files in this one would drop SQLite's locks.
    assert.equal(spawnSync("cp", ["-r", live, killed]).status, 0);
    for (const { hash } of log.database.prepare("SELECT hash FROM commits ORDER BY position").all()) {
      hashes.push(hex(hash as Uint8Array));
    }
    head = { position: COMMITS, at: 0, hash: Buffer.from(hashes.at(-1)!, "hex") };
    close(log);
  });
  after(() => rmSync(base, { recursive: true }));

  function copy(): void {
    rmSync(folder, { recursive: true, force: true });
    cpSync(killed, folder, { recursive: true });
  }

  it("undamaged, a killed process's folder opens with everything", () => {
    copy();
    assert.deepEqual(outcome(folder, hashes), { head: head.position, faults: 0 });
  });

  it("a write-ahead log cut anywhere opens to a prefix, and with the mark the cut is noticed", () => {
    const length = readFileSync(join(killed, "log.db-wal")).length;
    const step = Math.max(1, Math.floor(length / (runs / 2)));
    const random = seededRandom(7);
    let prefixes = 0;
    for (let at = 0; at < length; at += 1 + Math.floor(random.next() * step * 2)) {
      copy();
      truncateSync(join(folder, "log.db-wal"), at);
      assert.deepEqual(outcome(folder, hashes), { code: "log_tail_lost" }, `cut at ${at}`);
      rmSync(join(folder, "log.mark"));
      const found = outcome(folder, hashes);
      if ("code" in found) assert.equal(found.code, "log_mark_missing", `cut at ${at} without a mark`);
      else assert.equal(found.head, 0, "without a mark only an empty log opens");
      const accepted = openLog(start(folder, true));
      const lost = accepted.head.position;
      close(accepted);
      assert.ok(lost <= COMMITS, "a prefix");
      prefixes += 1;
    }
    assert.ok(prefixes > 50);
  });

  it("a flipped bit in the write-ahead log is noticed whenever it loses or changes anything acknowledged", () => {
    const wal = readFileSync(join(killed, "log.db-wal"));
    const random = seededRandom(11);
    const counts = { noticed: 0, harmless: 0 };
    for (let run = 0; run < runs; run++) {
      copy();
      const place = Math.floor(random.next() * wal.length);
      const bytes = Buffer.from(wal);
      bytes[place]! ^= 1 << Math.floor(random.next() * 8);
      writeFileSync(join(folder, "log.db-wal"), bytes);
      const found = outcome(folder, hashes);
      if ("code" in found) counts.noticed += 1;
      else {
        assert.deepEqual(found, { head: COMMITS, faults: 0 }, `bit in byte ${place}`);
        counts.harmless += 1;
      }
    }
    assert.ok(counts.noticed > runs * 0.9, JSON.stringify(counts));
  });

  it("a flipped bit in the database is found by verifying, whenever it changes a stored commit", () => {
    copy();
    close(openLog(start(folder)));
    const closed = join(base, "closed");
    cpSync(folder, closed, { recursive: true });
    const database = readFileSync(join(closed, "log.db"));
    const random = seededRandom(13);
    let noticed = 0;
    for (let run = 0; run < runs; run++) {
      rmSync(folder, { recursive: true, force: true });
      cpSync(closed, folder, { recursive: true });
      const bytes = Buffer.from(database);
      const place = Math.floor(random.next() * bytes.length);
      bytes[place]! ^= 1 << Math.floor(random.next() * 8);
      writeFileSync(join(folder, "log.db"), bytes);
      noticed += flipNoticed(folder, hashes) ? 1 : 0;
    }
    assert.ok(noticed > runs * 0.5, `${noticed} of ${runs}`);
  });

  it("a torn mark falls back to the slot before, and a missing one is refused", () => {
    copy();
    const mark = readFileSync(join(folder, "log.mark"));
    const newest = mark.readBigUInt64LE(8) > mark.readBigUInt64LE(4096 + 8) ? 0 : 4096;
    mark[newest + 30]! ^= 1;
    writeFileSync(join(folder, "log.mark"), mark);
    assert.deepEqual(outcome(folder, hashes), { head: COMMITS, faults: 0 });
    mark.fill(0);
    copy();
    writeFileSync(join(folder, "log.mark"), mark);
    assert.deepEqual(outcome(folder, hashes), { code: "log_mark_missing" });
  });

  it("a loss is accepted once, on record, and the log goes on", () => {
    copy();
    truncateSync(join(folder, "log.db-wal"), readFileSync(join(killed, "log.db-wal")).length - 10);
    assert.deepEqual(outcome(folder, hashes), { code: "log_tail_lost" });
    const log = openLog(start(folder, true));
    assert.equal(log.head.position, COMMITS, "59 were left, and the record of the loss");
    const { header } = log.database.prepare("SELECT header FROM commits WHERE position = ?").get(COMMITS) ?? {};
    const { cause } = JSON.parse(Buffer.from(header as Uint8Array).toString("utf8"));
    assert.deepEqual(cause, { kind: "loss", head: COMMITS - 1, acknowledged: COMMITS });
    commit(log, COMMITS + 1, 1);
    close(log);
    const again = openLog(start(folder));
    assert.equal(again.head.position, COMMITS + 1);
    close(again);
  });

  it("a log written by a newer version is left alone", () => {
    copy();
    const log = openLog(start(folder));
    log.database.exec("UPDATE meta SET value = 99 WHERE name = 'format'");
    close(log);
    assert.deepEqual(outcome(folder, hashes), { code: "log_format_unknown" });
  });
});

/** True where opening or verifying complains; otherwise every stored byte of every commit must be as it was. */
function flipNoticed(folder: string, hashes: readonly string[]): boolean {
  let log: OpenedLog;
  try {
    log = openLog(start(folder));
  } catch {
    return true;
  }
  try {
    const steps = verifyCommits(log.database, 1, log.head.position);
    let step = steps.next();
    while (!step.done) step = steps.next();
    if (step.value !== undefined) return true;
    const stored = log.database.prepare("SELECT hash FROM commits ORDER BY position").all();
    assert.deepEqual(
      stored.map(({ hash }) => hex(hash as Uint8Array)),
      hashes,
    );
    return false;
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_SQLITE_ERROR") return true;
    throw error;
  } finally {
    close(log);
  }
}
