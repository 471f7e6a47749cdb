/**
 * The hub: who is subscribed to what, and the one tap on the log that serves them all. What must hold: a commit is
 * handed to the groups once, in order; what fails in one group or sink stays there.
 */
import { asMillpondError, fail } from "../base/index.ts";
import type { Commit, Position } from "../log/index.ts";
import { Group } from "./group.ts";
import { iterateFrames } from "./iterate.ts";
import { Shape, shapeKey } from "./shape.ts";
import { type Shared, Subscriber } from "./subscriber.ts";
import type {
  Frame,
  Hub,
  HubFigures,
  HubLimits,
  HubOptions,
  Sink,
  Subscription,
  SubscriptionRequest,
} from "./types.ts";

export const defaultHubLimits: HubLimits = {
  bufferedBytes: 8 * 1024 * 1024,
  catchUpBytes: 1024 * 1024,
  catchUpCommits: 256,
  conflatedKeys: 100_000,
  progressMs: 1_000,
  provisionalMs: 250,
};

export function createHub({ source, environment, limits }: HubOptions): Hub {
  return new LogHub({ source, environment, ...(limits && { limits }) });
}

class LogHub implements Hub {
  readonly #options: HubOptions;
  readonly #shared: Shared;
  readonly #groups = new Map<string, Group>();
  readonly #untap: () => void;
  #channels = 0;
  #closed = false;
  #stopProgress: (() => void) | undefined;
  #stopProvisional: (() => void) | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
    const { source, environment } = options;
    this.#shared = {
      source,
      limits: { ...defaultHubLimits, ...options.limits },
      logger: environment.logger,
      head: source.head(),
      deliveries: 0,
      rows: 0,
      conflatedRows: 0,
      cutSlow: 0,
    };
    this.#untap = source.tap((run) => this.#take(run));
  }
  get head(): Position {
    return this.#shared.head;
  }

  subscribe(request: SubscriptionRequest, sink: Sink, variant = 0): Subscription {
    if (this.#closed) throw fail("log_closed");
    const { head } = this.#shared;
    const from = request.from === "now" ? head : request.from === "start" ? 0 : request.from;
    if (!Number.isSafeInteger(from) || from < 0 || from > head) {
      throw fail("log_position_unknown", { position: from, head });
    }
    const group = this.#groupOf(request, variant);
    const wants = { conflate: request.conflate === true, provisional: request.provisional === true };
    const subscriber = new Subscriber(group, sink, this.#shared, from, wants);
    group.members.add(subscriber);
    void subscriber.catchUp();
    this.#arm();
    return subscriber;
  }

  iterate(request: SubscriptionRequest, signal?: AbortSignal): AsyncIterableIterator<Frame> {
    return iterateFrames((sink) => this.subscribe(request, sink), signal);
  }

  figures(): HubFigures {
    const count = { subscriptions: 0, catchingUp: 0, conflating: 0 };
    for (const group of this.#groups.values()) {
      for (const { state } of group.members) {
        count.subscriptions += 1;
        if (state === "catching_up") count.catchingUp += 1;
        if (state === "conflating") count.conflating += 1;
      }
    }
    const { deliveries, rows, conflatedRows, cutSlow } = this.#shared;
    return { ...count, shapes: this.#groups.size, deliveries, rows, conflatedRows, cutSlow };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#untap();
    this.#stopProgress?.();
    this.#stopProvisional?.();
    for (const group of [...this.#groups.values()]) for (const member of [...group.members]) member.cut("shutdown");
  }

  #groupOf(request: SubscriptionRequest, variant: number): Group {
    const known = this.#shared.source.contracts.get(request.dataset);
    const key = known === undefined ? "" : `${shapeKey(request, known.contract.layout)}#${variant}`;
    const existing = this.#groups.get(key);
    if (existing !== undefined) return existing;
    const shape = new Shape(request, this.#shared.source);
    this.#channels += 1;
    const group = new Group(this.#channels, shape, this.#shared.head, () => this.#groups.delete(key));
    this.#groups.set(key, group);
    return group;
  }

  #take(run: readonly Commit[]): void {
    if (run.length === 0) return;
    for (const group of this.#groups.values()) {
      try {
        group.take(run);
      } catch (error) {
        this.#fail(group, error);
      }
    }
    this.#shared.head = run.at(-1)!.position;
  }
  #fail(group: Group, error: unknown): void {
    const { code } = asMillpondError(error);
    this.#options.environment.logger.log("error", "a subscription shape failed", {
      dataset: group.shape.dataset,
      code,
    });
    for (const member of [...group.members]) member.cut("read_failed");
  }

  /** The timers run only while somebody is subscribed. */
  #arm(): void {
    const { timers } = this.#options.environment;
    const { progressMs, provisionalMs } = this.#shared.limits;
    this.#stopProgress ??= timers.after(progressMs, () => {
      this.#stopProgress = undefined;
      for (const group of this.#groups.values()) group.progress(this.#shared.head);
      if (this.#groups.size > 0 && !this.#closed) this.#arm();
    });
    this.#stopProvisional ??= timers.after(provisionalMs, () => {
      this.#stopProvisional = undefined;
      this.#provisional();
      if (this.#groups.size > 0 && !this.#closed) this.#arm();
    });
  }

  /** The changed rows of a dataset are taken once and shown to each of its shapes: asking again gives none. */
  #provisional(): void {
    const byDataset = new Map<string, Group[]>();
    for (const group of this.#groups.values()) {
      if (!group.wantsProvisional()) continue;
      const { dataset } = group.shape;
      byDataset.set(dataset, [...(byDataset.get(dataset) ?? []), group]);
    }
    for (const [dataset, groups] of byDataset) {
      const changed = this.#shared.source.provisional(dataset, true);
      if (changed === undefined) continue;
      const whole = () => this.#shared.source.provisional(dataset, false)?.batch;
      for (const group of groups) {
        try {
          group.provisional(changed.asOf, changed.batch, whole);
        } catch (error) {
          this.#fail(group, error);
        }
      }
    }
  }
}
