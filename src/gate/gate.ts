/**
 * The gate itself: numbers batches of sessions, sends each through check and judgement and hands it to the log, and
 * puts everything back where the log failed. Judging runs ahead of durability: a batch is judged as if all before it
 * were stored, so when one is not, everything judged on top of it fails too and the state is made anew.
 *
 * A batch that needs no look-up in history passes from `submit` to `append` without waiting for anything.
 */
import { asMillpondError, type Environment, fail } from "../base/index.ts";
import type { Batch } from "../batch/index.ts";
import type { Receipt } from "../log/index.ts";
import type { Checked } from "./check.ts";
import type { DatasetState, Survey } from "./dataset.ts";
import { receive } from "./incoming.ts";
import { type FeedJudge, FeedJudges } from "./judges.ts";
import { keepAccepted, keepTurnedAway } from "./kept.ts";
import { Lane } from "./lane.ts";
import { type OpenSession, OpenSessions } from "./open-sessions.ts";
import type { GateParts } from "./parts.ts";
import { retryRows } from "./retry.ts";
import { Speculation } from "./speculation.ts";
import { DatasetStates } from "./states.ts";
import type { Admission, Gate, GateFigures, GateOptions, GateSources, Submission } from "./types.ts";
import { admitted, bytesOf, changesOf, feedCause, verdictOf } from "./verdict.ts";

export interface RunningGate extends Gate {
  /**
   * Forgets everything that is not durable. Call it when the log tells of a failed group, before anything else is
   * submitted; a gate that only sees its own drafts rejected does it by itself once they all are.
   */
  rebuild(): void;
  figures(): GateFigures;
}

export function createGate(sources: GateSources, environment: Environment, options: GateOptions = {}): RunningGate {
  return new SpeculativeGate(sources, environment, options);
}

/** A batch that passed the check. */
interface Work {
  readonly submission: Submission;
  readonly judge: FeedJudge;
  readonly received: ReturnType<typeof receive>;
  readonly checked: Checked;
  readonly open: OpenSession;
  readonly epoch: number;
  readonly generation: number;
}

class SpeculativeGate implements RunningGate {
  readonly #parts: GateParts;
  readonly #sessions: OpenSessions;
  #waitingBatches = 0;

  constructor(sources: GateSources, environment: Environment, options: GateOptions) {
    const states = new DatasetStates(sources, options.recentRows ?? 65_536);
    this.#sessions = new OpenSessions(sources.sessions);
    this.#parts = {
      sources,
      environment,
      states,
      options: {
        maxBatchRows: options.maxBatchRows ?? 100_000,
        maxWaitingRows: options.maxWaitingRows ?? 1_000_000,
        maxWaitingBytes: options.maxWaitingBytes ?? 32 * 1024 * 1024,
        recentRows: options.recentRows ?? 65_536,
      },
      judges: new FeedJudges(environment.logger),
      retries: new Lane(),
      speculation: new Speculation(environment.logger, () => {
        states.clear();
        this.#sessions.clear();
        return sources.position();
      }),
    };
  }

  submit(submission: Submission): Promise<Admission> {
    const { recovery } = this.#parts.speculation;
    if (recovery !== undefined) return recovery.then(() => this.submit(submission));
    try {
      return this.#enter(submission);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }
  async session(
    feed: string,
    session: string,
    event: "opened" | "idle" | "ended",
    watermark?: number,
  ): Promise<Receipt> {
    checkNames(feed, session);
    // Behind batches that wait for a recovery.
    const { speculation } = this.#parts;
    while (speculation.recovery !== undefined) await speculation.recovery;
    const open = this.#sessions.get(feed, session);
    // Behind the batches of the session that still wait, and before those that come later.
    if (open !== undefined && open.waiting > 0) (await open.lane.turn())();
    const cause = { kind: "session", feed, session, event, ...(watermark === undefined ? {} : { watermark }) } as const;
    return this.#parts.sources.append({ actor: `feed:${feed}`, cause, changes: [] });
  }
  lastBatch(feed: string, session: string): number {
    return this.#parts.sources.sessions.last(feed, session)?.batch ?? 0;
  }
  retry(quarantineIds: readonly string[], actor: string): Promise<Admission> {
    return retryRows(this.#parts, quarantineIds, actor);
  }
  rebuild(): void {
    this.#parts.speculation.rebuild();
  }
  figures(): GateFigures {
    const { speculation, states } = this.#parts;
    return {
      appendingBatches: speculation.appending,
      waitingBatches: this.#waitingBatches,
      waitingRows: speculation.waitingRows,
      waitingBytes: speculation.waitingBytes,
      lookups: states.lookups,
      rebuilds: speculation.rebuilds,
      datasets: states.figures(),
    };
  }

  #enter(submission: Submission): Promise<Admission> {
    const { states, sources, judges, speculation, options } = this.#parts;
    const { feed, session, batch, dataset } = submission;
    const version = states.version(dataset);
    checkNames(feed, session);
    const repeated = this.#sessions.repeated(feed, session, batch);
    if (repeated !== undefined) return Promise.resolve(repeated);
    const open = this.#sessions.take(feed, session);
    const inFlight = open.inFlight.get(batch);
    if (inFlight !== undefined) return inFlight;
    try {
      if (batch !== open.last + 1) {
        throw fail("batch_out_of_order", { batch, last: open.last, expected: open.last + 1 });
      }
      if (speculation.waitingRows > options.maxWaitingRows) throw fail("overloaded", { limit: options.maxWaitingRows });
      if (speculation.waitingBytes > options.maxWaitingBytes) {
        throw fail("overloaded", { limit: `${options.maxWaitingBytes} bytes` });
      }
      const judge = judges.of(version, sources.policy(feed, dataset));
      const received = receive(
        submission.incoming,
        submission.unreadable ?? [],
        version.contract.layout,
        options.maxBatchRows,
      );
      const checked = judge.checker.check(received);
      const state = states.of(dataset);
      const { epoch } = speculation;
      const work: Work = { submission, judge, received, checked, open, epoch, generation: open.generation };
      const survey = open.waiting === 0 ? state.survey(checked.batch) : undefined;
      open.last = batch;
      const passes = survey !== undefined && survey.inHistory.length === 0;
      const admission = passes ? this.#admit(work, state, survey, undefined) : this.#wait(work);
      open.inFlight.set(batch, admission);
      return admission;
    } finally {
      this.#sessions.release(feed, session, open);
    }
  }

  /** Behind the waiting batches of its session and, for a look-up, those of its dataset. */
  async #wait(work: Work): Promise<Admission> {
    const { states, speculation } = this.#parts;
    const { open, submission } = work;
    const rows = work.received.received;
    const end: (() => void)[] = [];
    open.waiting += 1;
    this.#waitingBatches += 1;
    speculation.waitingRows += rows;
    try {
      end.push(await open.lane.turn());
      this.#mustHold(work);
      let state = states.of(submission.dataset);
      let survey = state.survey(work.checked.batch);
      let stored: Batch | undefined;
      if (survey.inHistory.length > 0) {
        end.push(await states.lane(submission.dataset).turn());
        this.#mustHold(work);
        state = states.of(submission.dataset);
        end.push(state.recent.pin());
        stored = await states.lookUp(state, state.survey(work.checked.batch));
        this.#mustHold(work);
        survey = state.survey(work.checked.batch);
      }
      return this.#admit(work, state, survey, stored);
    } catch (error) {
      const failure = asMillpondError(error);
      if (work.generation === open.generation) open.failFrom(submission.batch, failure);
      throw failure;
    } finally {
      open.waiting -= 1;
      this.#waitingBatches -= 1;
      speculation.waitingRows -= rows;
      for (const release of end.reverse()) release();
      this.#sessions.release(submission.feed, submission.session, open);
    }
  }
  #mustHold({ epoch, generation, open }: Work): void {
    this.#parts.speculation.mustHold(epoch);
    if (generation !== open.generation && open.failure !== undefined) throw open.failure;
  }

  /** Judges and appends in one go; what it returns resolves when the batch is durable. */
  #admit(work: Work, state: DatasetState, survey: Survey, stored: Batch | undefined): Promise<Admission> {
    const { speculation, environment } = this.#parts;
    const { submission, judge, received, checked, open } = work;
    const { feed, session, batch, dataset, actor } = submission;
    try {
      const { rules, lateness } = judge;
      const sessionNewest = this.#sessions.newestTime(feed, session, dataset);
      const judgement = state.judge(survey, { rules, stored, sessionNewest, lateness, logger: environment.logger });
      const verdict = verdictOf(received.received, checked, survey, judgement, state, lateness);
      const kept = keepTurnedAway(this.#parts, submission, judge.version.version, received, verdict.turnedAway);
      const changes = changesOf(verdict, judge.version);
      if (kept.change !== undefined) changes.push(kept.change);
      if (judge.version.contract.keepRaw) {
        changes.push(...keepAccepted(this.#parts, submission, received, verdict.turnedAway));
      }
      const cause = feedCause({ feed, session, batch, dataset }, verdict, judgement);
      const appended = this.#parts.sources.append({ actor, cause, changes });
      open.newest.set(dataset, judgement.sessionNewest);
      const entries = admitted(state, verdict, judgement.outOfOrder);
      const { account } = verdict;
      return speculation.track(
        appended,
        account.received,
        bytesOf(changes),
        (outcome) => {
          open.inFlight.delete(batch);
          if ("position" in outcome) for (const entry of entries) state.recent.settle(entry, outcome.position);
          this.#sessions.release(feed, session, open);
        },
        (receipt) => ({ receipt, account, rejections: kept.rejections, repeated: false }),
      );
    } catch (error) {
      throw speculation.fail(error);
    }
  }
}

const CONTROL = /\p{Cc}/u;

function checkNames(feed: string, session: string): void {
  for (const [what, name] of [
    ["feed", feed],
    ["session", session],
  ] as const) {
    const fits = name.length > 0 && name.length <= 256 && !CONTROL.test(name) && name.isWellFormed();
    if (!fits) throw fail("session_invalid", { what });
  }
}
