/**
 * A pool as it is declared: datasets, the feeds that fill them, the flows that derive more. Plain data; opening it
 * (see open.ts) is what starts anything.
 */
import { fail } from "../base/index.ts";
import type { FeedPolicy, SeriesContract } from "../contract/index.ts";
import type { ColumnSource } from "../feed/index.ts";
import type { FlowSpec } from "../flow/index.ts";

export interface FeedDeclaration {
  /** Plain identifier: letters, digits, `-` and `_`. */
  readonly name: string;
  /** `bridge`: terminals dial in. `import`: files brought in by command. `api`: rows appended over HTTP or socket. */
  readonly kind: "bridge" | "import" | "api";
  readonly dataset: string;
  readonly description: string;
  /** Rules, lateness and normalisation of this feed alone, made by `feedPolicy` for this name and dataset. */
  readonly policy?: FeedPolicy;
  /** Bridges only: which fact of a terminal's tick fills which field; default: the fact of the same name. */
  readonly columns?: Readonly<Record<string, ColumnSource>>;
  /** Bridges only: the rows are made up, and said to be so wherever the feed is shown. */
  readonly simulated?: boolean;
}

export interface PoolDefinition {
  readonly name: string;
  readonly description: string;
  readonly datasets: readonly SeriesContract[];
  readonly feeds: readonly FeedDeclaration[];
  /** In any order; each derived dataset is declared by its flow. */
  readonly flows: readonly FlowSpec[];
}

const NAME = /^[a-z][a-z0-9_-]{0,63}$/;

/**
 * Checks a declaration as a whole and freezes it.
 * @throws `pool_invalid` with the first thing that is wrong.
 */
export function definePool(definition: PoolDefinition): PoolDefinition {
  const wrong = (problem: string) => fail("pool_invalid", { pool: definition.name, problem });
  const datasets = new Set<string>();
  for (const { name } of [...definition.datasets, ...definition.flows.map(({ into }) => into)]) {
    if (datasets.has(name)) throw wrong(`dataset '${name}' is declared twice`);
    datasets.add(name);
  }
  const feeds = new Set<string>();
  for (const { name, dataset, policy } of definition.feeds) {
    if (policy !== undefined && (policy.feed !== name || policy.dataset !== dataset)) {
      throw wrong(`feed '${name}' has the policy of '${policy.feed}' into '${policy.dataset}'`);
    }
    if (!NAME.test(name)) throw wrong(`feed name '${name}' is not a plain identifier`);
    if (feeds.has(`${name} ${dataset}`)) throw wrong(`feed '${name}' into '${dataset}' is declared twice`);
    feeds.add(`${name} ${dataset}`);
    if (!definition.datasets.some((contract) => contract.name === dataset)) {
      throw wrong(`feed '${name}' fills '${dataset}', which is not a declared dataset`);
    }
  }
  const flows = new Set<string>();
  for (const { name, source } of definition.flows) {
    if (flows.has(name)) throw wrong(`flow '${name}' is declared twice`);
    flows.add(name);
    if (!datasets.has(source)) throw wrong(`flow '${name}' reads '${source}', which nothing declares`);
  }
  return Object.freeze(definition);
}

/** The contracts of a pool: declared datasets first, then derived ones. */
export function contractsOf(definition: PoolDefinition): readonly SeriesContract[] {
  return [...definition.datasets, ...definition.flows.map(({ into }) => into)];
}

/** Flows so that each comes after the flow whose dataset it reads. */
export function flowsInOrder(definition: PoolDefinition): readonly FlowSpec[] {
  const derived = new Map(definition.flows.map((flow) => [flow.into.name, flow]));
  const ordered = new Set<FlowSpec>();
  const visit = (flow: FlowSpec, trail: readonly FlowSpec[]): void => {
    if (trail.includes(flow))
      throw fail("pool_invalid", { pool: definition.name, problem: `flow '${flow.name}' reads its own result` });
    const before = derived.get(flow.source);
    if (before) visit(before, [...trail, flow]);
    ordered.add(flow);
  };
  for (const flow of definition.flows) visit(flow, []);
  return [...ordered];
}
