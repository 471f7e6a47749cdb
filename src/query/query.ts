/**
 * Runs plans: waits until the view is as fresh as asked, compiles against how the view stores the dataset, and cuts the
 * page. Every answer is of exactly one position.
 */
import { type Environment, fail, isAbort } from "../base/index.ts";
import { type Batch, takeRows, valueAt } from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import type { Log, Position } from "../log/index.ts";
import { type CompiledPlan, compilePlan, orderKinds } from "./compile.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { checkPlan } from "./plan-shape.ts";
import type { Answer, AnsweringView, Plan, QueryEngine } from "./types.ts";

export interface QueryOptions {
  readonly engine: QueryEngine;
  /** Drives the view that answers. */
  readonly runner: AnsweringView;
  readonly log: Log;
  /** The newest version of each dataset's contract. */
  readonly contracts: ReadonlyMap<string, ContractVersion>;
  readonly environment: Pick<Environment, "timers">;
  /** Default 30,000. */
  readonly timeoutMs?: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** `head` (default): everything the log held when the plan was given. `any`: whatever queries see already. */
  readonly freshness?: "head" | "any";
}

export interface Query {
  /**
   * @throws `dataset_unknown`, `plan_invalid`, `query_timeout`, `query_failed`, `query_too_large`,
   * `log_position_unknown` for a position the log does not hold, and the signal's reason
   */
  run(plan: Plan, options?: RunOptions): Promise<Answer>;
}

export function createQuery(options: QueryOptions): Query {
  return new ViewQuery(options);
}

class ViewQuery implements Query {
  readonly #options: QueryOptions;

  constructor(options: QueryOptions) {
    this.#options = options;
  }

  async run(given: Plan, { signal, freshness = "head" }: RunOptions = {}): Promise<Answer> {
    signal?.throwIfAborted();
    const known = this.#options.contracts;
    const version = known.get(given.dataset);
    if (!version) throw fail("dataset_unknown", { dataset: String(given.dataset), known: [...known.keys()] });
    const plan = checkPlan(given, version.contract);
    const head = this.#options.log.head.position;
    if ((plan.asOf ?? 0) > head) throw fail("log_position_unknown", { position: plan.asOf!, head });
    return this.#inTime(signal, (inner) => this.#answer(plan, version, freshness === "head" ? head : 0, inner));
  }

  async #inTime<T>(outer: AbortSignal | undefined, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { environment, timeoutMs = 30_000 } = this.#options;
    const controller = new AbortController();
    const onAbort = (): void => controller.abort(outer?.reason);
    outer?.addEventListener("abort", onAbort, { once: true });
    const cancel = environment.timers.after(timeoutMs, () => {
      controller.abort(fail("query_timeout", { limitMs: timeoutMs }));
    });
    try {
      return await task(controller.signal);
    } catch (error) {
      if (controller.signal.aborted && isAbort(error, controller.signal)) throw controller.signal.reason;
      throw error;
    } finally {
      cancel();
      outer?.removeEventListener("abort", onAbort);
    }
  }

  async #answer(plan: Plan, version: ContractVersion, fresh: Position, signal: AbortSignal): Promise<Answer> {
    const { engine, runner } = this.#options;
    const { contract } = version;
    await runner.waitFor(Math.max(plan.asOf ?? fresh, plan.atLeast ?? 0), { signal });
    const table = engine.table(contract.name);
    if (!table) throw fail("query_failed", { problem: "the view does not hold the dataset yet; ask again" });
    const compiled = compilePlan(plan, contract, table);
    const cursor = readCursor(plan, orderKinds(compiled.order));
    const position = plan.asOf ?? cursor?.position ?? runner.durablePosition;
    if (position > runner.durablePosition) await runner.waitFor(this.#existing(position), { signal });
    const { layout, ...statement } = compiled.statement(position, cursor);
    const rows = await engine.select(statement, layout, signal);
    return this.#page(plan, compiled, rows, position);
  }
  #existing(position: Position): Position {
    const head = this.#options.log.head.position;
    if (position > head) throw fail("log_position_unknown", { position, head });
    return position;
  }

  #page(plan: Plan, compiled: CompiledPlan, rows: Batch, position: Position): Answer {
    const { limit, layout, hidden, order } = compiled;
    const visible = layout.length - hidden;
    const more = rows.count > limit;
    const page = more
      ? takeRows(
          rows,
          Uint32Array.from({ length: limit }, (_, place) => place),
        )
      : rows;
    const batch = { count: page.count, columns: page.columns.slice(0, visible) };
    const answer = { layout: layout.slice(0, visible), batch, position, view: this.#options.runner.name };
    if (!more) return answer;
    const values = order.map(({ column }) => valueAt(rows.columns[column]!, limit - 1));
    return { ...answer, next: writeCursor(plan, { position, values }) };
  }
}

/** Page after page, all of the position the first one stood at. */
export async function* pageRows(query: Query, plan: Plan, options: RunOptions = {}): AsyncGenerator<Answer> {
  for (let after = plan.after; ; ) {
    const answer = await query.run({ ...plan, ...(after !== undefined && { after }) }, options);
    yield answer;
    if (answer.next === undefined) return;
    after = answer.next;
  }
}
