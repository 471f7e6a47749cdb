/**
 * Brings an import through the gate: a few batches in flight, in order; conditions are waited out, refusals end it.
 * Its report adds up: received = accepted + duplicate + quarantined + late + refused.
 */
import { asMillpondError, type Environment, type MillpondError } from "../../base/index.ts";
import type { Admission, Gate, Rejection, Submission } from "../../gate/index.ts";
import type { Account } from "../../log/index.ts";
import type { RowMapper } from "../row-mapper.ts";
import type { ImportSource } from "./open.ts";

export interface ImportRun {
  readonly gate: Gate;
  readonly environment: Environment;
  readonly feed: string;
  /** From the facts of the source to the dataset. */
  readonly mapper: RowMapper;
  readonly actor: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** Batches in flight; default 4. */
  readonly inFlight?: number;
}

export interface ImportProgress {
  readonly bytesRead: number;
  readonly totalBytes: number;
  readonly batches: number;
  readonly account: Account;
}

export interface ImportReport {
  readonly source: string;
  readonly layout: string;
  readonly session: string;
  readonly account: Account;
  readonly batches: number;
  readonly unreadable: number;
  /** The first hundred rows that were not accepted, with their batch. */
  readonly rejections: readonly (Rejection & { readonly batch: number })[];
  readonly firstPosition: number | null;
  readonly lastPosition: number | null;
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

const SAMPLE = 100;
/** Tries of one batch before a condition is given up on: about a minute and a half of waiting. */
const MOST_TRIES = 24;

interface Flying {
  readonly submission: Submission;
  readonly bytesRead: number;
  readonly result: Promise<{ admission: Admission } | { error: MillpondError }>;
}

export async function runImport(source: ImportSource, run: ImportRun): Promise<ImportReport> {
  const { gate, environment, feed } = run;
  const startedMs = environment.clock.monotonicMs();
  const tally = new Tally(source, run);
  await gate.session(feed, source.session, "opened");
  let failure: { error: unknown } | undefined;
  try {
    await pump(source, run, tally);
  } catch (error) {
    failure = { error };
  }
  try {
    await gate.session(feed, source.session, "ended");
  } catch (error) {
    failure ??= { error };
  }
  if (failure) throw failure.error;
  return tally.report((environment.clock.monotonicMs() - startedMs) / 1000);
}

async function pump(source: ImportSource, run: ImportRun, tally: Tally): Promise<void> {
  const window = run.inFlight ?? 4;
  const flying: Flying[] = [];
  let batch = 0;
  try {
    for await (const { facts, unreadable, bytesRead } of source.batches()) {
      run.signal?.throwIfAborted();
      const submission: Submission = {
        dataset: run.mapper.dataset,
        feed: run.feed,
        session: source.session,
        batch: ++batch,
        actor: run.actor,
        incoming: { kind: "columns", batch: run.mapper.map(facts) },
        ...(unreadable.length > 0 ? { unreadable } : {}),
      };
      tally.unreadable += unreadable.length;
      flying.push(launch(run.gate, submission, bytesRead));
      if (flying.length >= window) await land(flying, run, tally);
    }
    while (flying.length > 0) await land(flying, run, tally);
  } finally {
    await Promise.all(flying.map(({ result }) => result));
  }
}

function launch(gate: Gate, submission: Submission, bytesRead: number): Flying {
  const result = gate.submit(submission).then(
    (admission) => ({ admission }),
    (error: unknown) => ({ error: asMillpondError(error) }),
  );
  return { submission, bytesRead, result };
}

/** Waits for the oldest in flight; after a condition all that flew with it are sent again, in order. */
async function land(flying: Flying[], run: ImportRun, tally: Tally): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { submission, bytesRead, result } = flying[0]!;
    const landed = await result;
    if ("admission" in landed) {
      flying.shift();
      tally.add(submission.batch, landed.admission, bytesRead);
      return;
    }
    if (!landed.error.spec.retryable || tries >= MOST_TRIES) throw landed.error;
    await Promise.all(flying.map((one) => one.result));
    await run.environment.timers.delay(Math.min(5_000, 50 * 2 ** Math.min(tries, 8)), run.signal);
    for (let place = 0; place < flying.length; place++) {
      const again = flying[place]!;
      flying[place] = launch(run.gate, again.submission, again.bytesRead);
    }
  }
}

class Tally {
  unreadable = 0;
  readonly #source: ImportSource;
  readonly #run: ImportRun;
  readonly #rejections: (Rejection & { batch: number })[] = [];
  #account: Account = { received: 0, accepted: 0, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
  #batches = 0;
  #first: number | null = null;
  #last: number | null = null;

  constructor(source: ImportSource, run: ImportRun) {
    this.#source = source;
    this.#run = run;
  }
  add(batch: number, { account, rejections, receipt }: Admission, bytesRead: number): void {
    const sum = this.#account;
    this.#account = {
      received: sum.received + account.received,
      accepted: sum.accepted + account.accepted,
      duplicate: sum.duplicate + account.duplicate,
      quarantined: sum.quarantined + account.quarantined,
      late: sum.late + account.late,
      refused: sum.refused + account.refused,
    };
    for (const rejection of rejections.slice(0, SAMPLE - this.#rejections.length))
      this.#rejections.push({ ...rejection, batch });
    this.#batches += 1;
    this.#first ??= receipt.position;
    this.#last = receipt.position;
    const { totalBytes } = this.#source;
    this.#run.onProgress?.({ bytesRead, totalBytes, batches: this.#batches, account: this.#account });
  }
  report(seconds: number): ImportReport {
    const { name, layout, session } = this.#source;
    return {
      source: name,
      layout,
      session,
      account: this.#account,
      batches: this.#batches,
      unreadable: this.unreadable,
      rejections: this.#rejections,
      firstPosition: this.#first,
      lastPosition: this.#last,
      seconds,
      rowsPerSecond: seconds > 0 ? Math.round(this.#account.received / seconds) : 0,
    };
  }
}
