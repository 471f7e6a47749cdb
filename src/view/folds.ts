/**
 * Keeps folds at the head of the log: loads the newest snapshot that belongs to this log, replays the commits after
 * it, then takes every commit as it becomes durable. Snapshots are only a shortcut: one that is damaged, of another
 * version or of another history is left aside and the log replayed from its start.
 */
import { asMillpondError, type Environment, toHex } from "../base/index.ts";
import type { Commit, Fold, Log, Position } from "../log/index.ts";
import type { Snapshot, SnapshotStore } from "./types.ts";

export interface FoldsOptions {
  /** A save is due after so many rows … default 1,000,000. */
  readonly saveRows?: number;
  /** … or so many commits … default 10,000. */
  readonly saveCommits?: number;
  /** … or so long after the first commit not yet saved. Default 60,000. */
  readonly saveMs?: number;
}

export interface Folds {
  /** Loads snapshots and replays up to the head. Rejects with what the log rejects with. */
  start(): Promise<void>;
  /** Replays what came since, then follows live through a tap: no commit is missed or taken twice. */
  attach(): Promise<void>;
  readonly position: Position;
  /** Folds that threw: they are no longer fed or saved, and the next start replays them. */
  readonly broken: readonly string[];
  saveAll(): Promise<void>;
  /** Detaches and saves. */
  close(): Promise<void>;
}

interface Running {
  readonly fold: Fold;
  position: Position;
  broken: boolean;
}

export function createFolds(
  folds: readonly Fold[],
  log: Log,
  snapshots: SnapshotStore,
  environment: Pick<Environment, "timers" | "logger">,
  options: FoldsOptions = {},
): Folds {
  return new FoldRunner(folds, log, snapshots, environment, options);
}

const REPLAY_LIMIT = { commits: 4096, bytes: 8 * 1024 * 1024 };

class FoldRunner implements Folds {
  readonly #folds: readonly Running[];
  readonly #log: Log;
  readonly #snapshots: SnapshotStore;
  readonly #environment: Pick<Environment, "timers" | "logger">;
  readonly #options: FoldsOptions;
  #position: Position = 0;
  #hash = "";
  #unsavedRows = 0;
  #unsavedCommits = 0;
  #detach: (() => void) | undefined;
  #cancelTimer: (() => void) | undefined;
  #saving: Promise<void> | undefined;

  constructor(
    folds: readonly Fold[],
    log: Log,
    snapshots: SnapshotStore,
    environment: Pick<Environment, "timers" | "logger">,
    options: FoldsOptions,
  ) {
    this.#folds = folds.map((fold) => ({ fold, position: 0, broken: false }));
    this.#log = log;
    this.#snapshots = snapshots;
    this.#environment = environment;
    this.#options = options;
  }
  get position(): Position {
    return this.#position;
  }
  get broken(): readonly string[] {
    return this.#folds.filter(({ broken }) => broken).map(({ fold }) => fold.name);
  }

  async start(): Promise<void> {
    for (const running of this.#folds) await this.#load(running);
    const positions = this.#folds.map(({ position }) => position);
    this.#position = positions.length === 0 ? this.#log.head.position : Math.min(...positions);
    if (this.#position > 0) this.#hash = (await this.#hashAt(this.#position)) ?? "";
    await this.#replay();
  }
  async attach(): Promise<void> {
    await this.#replay();
    // Nothing can be committed between the last look at the head and this line, as both are in one turn.
    this.#detach ??= this.#log.tap((run) => this.#take(run));
  }
  async #replay(): Promise<void> {
    while (this.#position < this.#log.head.position) {
      this.#take(await this.#log.read(this.#position, REPLAY_LIMIT));
    }
  }

  async #load(running: Running): Promise<void> {
    const { fold } = running;
    try {
      const snapshot = await this.#snapshots.read(fold.name);
      const reason = snapshot ? await this.#unfit(fold, snapshot) : "there is none";
      if (snapshot && reason === undefined) {
        fold.load(snapshot.saved);
        running.position = snapshot.position;
        return;
      }
      this.#environment.logger.log(snapshot ? "warn" : "info", "fold_replayed", { fold: fold.name, reason });
    } catch (error) {
      const { code, message } = asMillpondError(error);
      this.#environment.logger.log("warn", "fold_replayed", { fold: fold.name, reason: message, code });
    }
    fold.reset();
    running.position = 0;
  }
  async #unfit(fold: Fold, snapshot: Snapshot): Promise<string | undefined> {
    if (snapshot.fold !== fold.name || snapshot.version !== fold.version) return "it is of another version";
    if (snapshot.position > this.#log.head.position) return "it is ahead of the log";
    const matches = snapshot.position === 0 || (await this.#hashAt(snapshot.position)) === snapshot.hash;
    return matches ? undefined : "it belongs to another history";
  }
  async #hashAt(position: Position): Promise<string | undefined> {
    const [commit] = await this.#log.read(position - 1, { commits: 1 });
    return commit && toHex(commit.hash);
  }

  #take(run: readonly Commit[]): void {
    const last = run[run.length - 1];
    if (last === undefined) return;
    for (const running of this.#folds) this.#feed(running, run);
    this.#position = last.position;
    this.#hash = toHex(last.hash);
    this.#unsavedCommits += run.length;
    for (const { changes } of run) for (const { batch } of changes) this.#unsavedRows += batch.count;
    if (this.#detach !== undefined) this.#plan();
  }
  #feed(running: Running, run: readonly Commit[]): void {
    const first = run[0]!.position;
    const last = run[run.length - 1]!.position;
    if (running.broken || running.position >= last) return;
    const due = running.position < first ? run : run.slice(running.position - first + 1);
    try {
      running.fold.apply(due);
      running.position = last;
    } catch (error) {
      running.broken = true;
      const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#environment.logger.log("error", "fold_broken", { fold: running.fold.name, position: first, problem });
    }
  }

  #plan(): void {
    const { saveRows = 1_000_000, saveCommits = 10_000, saveMs = 60_000 } = this.#options;
    if (this.#unsavedRows >= saveRows || this.#unsavedCommits >= saveCommits) this.#saveInBackground();
    else this.#cancelTimer ??= this.#environment.timers.after(saveMs, () => this.#saveInBackground());
  }
  #saveInBackground(): void {
    if (this.#saving !== undefined) return;
    this.saveAll().catch((error: unknown) => {
      const { code, message } = asMillpondError(error);
      this.#environment.logger.log("warn", "fold_not_saved", { code, message });
    });
  }
  saveAll(): Promise<void> {
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }
  /** All are saved in one turn, so that they stand at one position; writing follows. */
  async #save(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#unsavedRows = 0;
    this.#unsavedCommits = 0;
    const { hash, position } = { hash: this.#hash, position: this.#position };
    const taken = this.#folds
      .filter(({ broken }) => !broken)
      .map(({ fold }): Snapshot => ({ fold: fold.name, version: fold.version, position, hash, saved: fold.save() }));
    for (const snapshot of taken) await this.#snapshots.write(snapshot.fold, snapshot);
  }
  async close(): Promise<void> {
    this.#detach?.();
    this.#detach = undefined;
    this.#cancelTimer?.();
    await this.#saving?.catch(() => {});
    await this.saveAll();
  }
}
