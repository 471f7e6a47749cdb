/**
 * The chain registry: every path source → gate → log → views → subscribers, discovered from the declarations, with
 * live figures per hop. Nobody registers a chain by hand, so none can be forgotten.
 */
export interface ChainDeclaration {
  /** Feeds and the datasets they fill. */
  readonly feeds: readonly { readonly feed: string; readonly dataset: string }[];
  /** Flows and what they derive. */
  readonly flows: readonly { readonly flow: string; readonly source: string; readonly into: string }[];
  /** Views, each of every dataset. */
  readonly views: readonly string[];
}

export type HopKind = "feed" | "gate" | "log" | "flow" | "view" | "subscribers";

/** One hop with its figures at this moment; what a hop does not know is absent. */
export interface Hop {
  readonly kind: HopKind;
  readonly name: string;
  readonly state?: string;
  /** Rows that passed, by outcome where the hop has outcomes. */
  readonly rows?: Readonly<Record<string, number>>;
  readonly rowsPerSecond?: number;
  /** Positions between the head of the log and this hop. */
  readonly lag?: number;
  readonly latencyMs?: { readonly p50: number; readonly p99: number };
  readonly lastAt?: string;
  readonly lastError?: string;
}

export interface Chain {
  /** `mt5 → ticks`, or `mt5 → ticks → candles_1m`. */
  readonly name: string;
  readonly source: string;
  readonly dataset: string;
  readonly hops: readonly Hop[];
}

/** Asked for the live figures of one hop of one chain. */
export type HopProbe = (kind: HopKind, name: string, feed: string, dataset: string) => Omit<Hop, "kind" | "name">;

interface Path {
  readonly feed: string;
  readonly datasets: readonly string[];
  readonly flows: readonly string[];
}

export interface ChainRegistry {
  readonly count: number;
  snapshot(): readonly Chain[];
}

export function createChainRegistry(declared: ChainDeclaration, probe: HopProbe): ChainRegistry {
  const paths = declared.feeds.flatMap(({ feed, dataset }) =>
    pathsFrom(declared, { feed, datasets: [dataset], flows: [] }),
  );
  return {
    count: paths.length,
    snapshot: () => paths.map((path) => chainOf(path, declared.views, probe)),
  };
}

/** The path itself and all that flows derive from its end; a flow that would lead back in a circle is left out. */
function pathsFrom(declared: ChainDeclaration, path: Path): Path[] {
  const end = path.datasets.at(-1)!;
  const further = declared.flows.filter(({ source, into }) => source === end && !path.datasets.includes(into));
  return [
    path,
    ...further.flatMap(({ flow, into }) =>
      pathsFrom(declared, { feed: path.feed, datasets: [...path.datasets, into], flows: [...path.flows, flow] }),
    ),
  ];
}

function chainOf({ feed, datasets, flows }: Path, views: readonly string[], probe: HopProbe): Chain {
  const first = datasets[0]!;
  const end = datasets.at(-1)!;
  const hop = (kind: HopKind, name: string, dataset: string): Hop => ({
    kind,
    name,
    ...probe(kind, name, feed, dataset),
  });
  return {
    name: [feed, ...datasets].join(" → "),
    source: feed,
    dataset: end,
    hops: [
      hop("feed", feed, first),
      hop("gate", first, first),
      hop("log", "log", first),
      ...flows.map((flow, index) => hop("flow", flow, datasets[index + 1]!)),
      ...views.map((view) => hop("view", view, end)),
      hop("subscribers", end, end),
    ],
  };
}
