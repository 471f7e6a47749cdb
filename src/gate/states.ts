/** The speculative states of all datasets, and the look-ups in history that some batches need before they are judged. */
import { fail } from "../base/index.ts";
import { type Batch, takeRows } from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import { DatasetState, type Survey } from "./dataset.ts";
import { Lane } from "./lane.ts";
import type { GateFigures, GateSources } from "./types.ts";

export class DatasetStates {
  lookups = 0;
  readonly #sources: GateSources;
  readonly #recentRows: number;
  #states = new Map<string, DatasetState>();
  #lanes = new Map<string, Lane>();

  constructor(sources: GateSources, recentRows: number) {
    this.#sources = sources;
    this.#recentRows = recentRows;
  }

  /** @throws `dataset_unknown` */
  version(dataset: string): ContractVersion {
    const version = this.#sources.contracts.get(dataset);
    if (version === undefined) throw fail("dataset_unknown", { dataset, known: [...this.#sources.contracts.keys()] });
    return version;
  }
  of(dataset: string): DatasetState {
    const version = this.version(dataset);
    let state = this.#states.get(dataset);
    if (state?.version !== version) {
      state = new DatasetState(version, this.#sources.newestRows(dataset), this.#sources.position(), this.#recentRows);
      this.#states.set(dataset, state);
    }
    return state;
  }
  /** Look-ups of one dataset come one after the other: between them the recent rows, pinned by each, can shrink. */
  lane(dataset: string): Lane {
    let lane = this.#lanes.get(dataset);
    if (lane === undefined) {
      lane = new Lane();
      this.#lanes.set(dataset, lane);
    }
    return lane;
  }
  /**
   * The stored rows a batch must be compared with; undefined where it needs none. The recent rows must stay pinned
   * from before this call until the batch is judged.
   */
  async lookUp(state: DatasetState, { batch, times, inHistory }: Survey): Promise<Batch | undefined> {
    if (inHistory.length === 0) return undefined;
    let from = Number.POSITIVE_INFINITY;
    let through = Number.NEGATIVE_INFINITY;
    for (const place of inHistory) {
      from = Math.min(from, times[place]!);
      through = Math.max(through, times[place]!);
    }
    this.lookups += 1;
    const { name } = state.version.contract;
    return this.#sources.storedRows(name, takeRows(batch, inHistory), from, through, state.recent.leftThrough);
  }
  clear(): void {
    this.#states = new Map();
    this.#lanes = new Map();
  }
  figures(): GateFigures["datasets"] {
    return [...this.#states].map(([dataset, { keys, recent }]) => ({ dataset, keys, recentRows: recent.rows }));
  }
}
