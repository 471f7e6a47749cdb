/**
 * The newest row of each key: by event time, of equal times the last in log order. The hot path does one comparison
 * per row and one map lookup per distinct key of a batch; it keeps a reference into the batch and makes the row only
 * when someone asks. A batch is let go of once newer ones came: rows still referenced are copied out first, so that a
 * key that never ticks again does not hold a batch in memory.
 */
import { assert } from "../base/index.ts";
import {
  type Batch,
  batchOfCells,
  type Column,
  decodeBatch,
  emptyBatch,
  encodeBatch,
  type Layout,
  type TextColumn,
  type Value,
  valueAt,
} from "../batch/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import type { Commit, Fold, Position } from "../log/index.ts";
import type { Latest, LatestRow } from "./types.ts";

export interface LatestOptions {
  /** A contract by version, the newest where none is given. */
  readonly contract: (dataset: string, version?: number) => ContractVersion | undefined;
  /** Which datasets are kept; default all whose name has no leading underscore. */
  readonly accepts?: (dataset: string) => boolean;
  /** Batches referenced at most, per dataset; default 64. */
  readonly batches?: number;
}

type Key = string | number | boolean;

interface Entry {
  time: number;
  position: Position;
  place: number;
  layout: Layout;
  /** The row is at `at` in the held batch; once let go, in `cells`. */
  held: Held | undefined;
  at: number;
  cells: readonly Value[] | undefined;
  made: LatestRow | undefined;
}

interface Held {
  readonly batch: Batch;
  readonly entries: Entry[];
}

const MOST_HELD_ROWS = 262_144;

export function createLatest(options: LatestOptions): Latest & Fold {
  return new LatestFold(options);
}

class LatestFold implements Latest, Fold {
  readonly name = "latest";
  readonly version = 1;
  readonly #options: LatestOptions;
  readonly #datasets = new Map<string, DatasetLatest | null>();

  constructor(options: LatestOptions) {
    this.#options = options;
  }
  get(dataset: string, key: readonly Key[]): LatestRow | undefined {
    return this.#datasets.get(dataset)?.get(key);
  }
  all(dataset: string): Batch {
    const layout = this.#options.contract(dataset)?.contract.layout ?? [];
    return this.#datasets.get(dataset)?.all(layout).batch ?? emptyBatch(layout);
  }
  keys(dataset: string): number {
    return this.#datasets.get(dataset)?.size ?? 0;
  }

  apply(run: readonly Commit[]): void {
    for (let index = 0; index < run.length; index++) {
      const { changes, position } = run[index]!;
      for (let change = 0; change < changes.length; change++) {
        const { dataset, contract, batch } = changes[change]!;
        const state = this.#stateOf(dataset, contract);
        if (state === null) continue;
        let firstPlace = 0;
        for (let before = 0; before < change; before++) {
          if (changes[before]!.dataset === dataset) firstPlace += changes[before]!.batch.count;
        }
        state.take(batch, contract, position, firstPlace);
      }
    }
  }
  #stateOf(dataset: string, version: number): DatasetLatest | null {
    let state = this.#datasets.get(dataset);
    if (state === undefined) {
      const accepted = this.#options.accepts?.(dataset) ?? !dataset.startsWith("_");
      state = accepted ? new DatasetLatest(dataset, this.#options) : null;
      this.#datasets.set(dataset, state);
    }
    state?.use(version);
    return state;
  }

  save(): unknown {
    const saved: Record<string, SavedDataset> = {};
    for (const [dataset, state] of this.#datasets) if (state && state.size > 0) saved[dataset] = state.save();
    return saved;
  }
  load(saved: unknown): void {
    this.reset();
    for (const [dataset, state] of Object.entries(saved as Record<string, SavedDataset>)) {
      this.#stateOf(dataset, state.contract)?.load(state);
    }
  }
  reset(): void {
    this.#datasets.clear();
  }
}

interface SavedDataset {
  readonly contract: number;
  readonly bytes: Uint8Array;
  readonly positions: Float64Array;
  readonly places: Float64Array;
}

/** Where key and time lie in the batches of one contract version. */
interface Shape {
  readonly version: number;
  readonly layout: Layout;
  readonly keys: readonly number[];
  readonly time: number;
}

class DatasetLatest {
  readonly #dataset: string;
  readonly #options: LatestOptions;
  readonly #entries = new Map<Key, Entry>();
  readonly #shapes = new Map<number, Shape>();
  readonly #held: Held[] = [];
  #heldRows = 0;
  #newest: Shape | undefined;
  #current: Shape | undefined;
  #bestTimes = new Float64Array(64);
  #bestPlaces = new Int32Array(64);

  constructor(dataset: string, options: LatestOptions) {
    this.#dataset = dataset;
    this.#options = options;
  }
  get size(): number {
    return this.#entries.size;
  }
  use(version: number): void {
    if (this.#current?.version === version) return;
    let shape = this.#shapes.get(version);
    if (!shape) {
      const contract = this.#options.contract(this.#dataset, version)?.contract;
      assert(contract, "a contract is known before its rows are folded");
      const placeOf = (name: string): number => contract.layout.findIndex((field) => field.name === name);
      shape = { version, layout: contract.layout, keys: contract.key.map(placeOf), time: placeOf(contract.time) };
      this.#shapes.set(version, shape);
    }
    this.#current = shape;
    if (version >= (this.#newest?.version ?? 0)) this.#newest = shape;
  }

  get(key: readonly Key[]): LatestRow | undefined {
    const entry = this.#entries.get(key.length === 1 ? key[0]! : joinedKey(key));
    if (entry === undefined) return undefined;
    entry.made ??= rowOf(entry);
    return entry.made;
  }

  take(batch: Batch, version: number, position: Position, firstPlace: number): void {
    if (batch.count === 0) return;
    this.use(version);
    const shape = this.#current!;
    const held: Held = { batch, entries: [] };
    const times = (batch.columns[shape.time] as { values: Float64Array }).values;
    const key = batch.columns[shape.keys[0]!]!;
    if (shape.keys.length === 1 && key.kind === "text") {
      this.#takeByText(key, times, batch.count, (text, place) => {
        this.#set(text, times[place]!, place, held, position, firstPlace);
      });
    } else {
      const columns = shape.keys.map((place) => batch.columns[place]!);
      for (let place = 0; place < batch.count; place++) {
        this.#set(keyAt(columns, place), times[place]!, place, held, position, firstPlace);
      }
    }
    this.#hold(held);
  }
  /** Finds each key's newest row of the batch first, so that the map is asked once per key. */
  #takeByText(
    { dictionary, indexes }: TextColumn,
    times: Float64Array,
    count: number,
    found: (text: string, place: number) => void,
  ): void {
    if (this.#bestTimes.length < dictionary.length) {
      this.#bestTimes = new Float64Array(dictionary.length * 2);
      this.#bestPlaces = new Int32Array(dictionary.length * 2);
    }
    const bestTimes = this.#bestTimes;
    const bestPlaces = this.#bestPlaces;
    bestPlaces.fill(-1, 0, dictionary.length);
    bestTimes.fill(Number.NEGATIVE_INFINITY, 0, dictionary.length);
    for (let place = 0; place < count; place++) {
      const index = indexes[place]!;
      const time = times[place]!;
      if (time >= bestTimes[index]!) {
        bestTimes[index] = time;
        bestPlaces[index] = place;
      }
    }
    for (let index = 0; index < dictionary.length; index++) {
      if (bestPlaces[index]! >= 0) found(dictionary[index]!, bestPlaces[index]!);
    }
  }
  #set(key: Key, time: number, at: number, held: Held, position: Position, firstPlace: number): void {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const { layout } = this.#current!;
      const place = firstPlace + at;
      entry = { time, position, place, layout, held, at, cells: undefined, made: undefined };
      this.#entries.set(key, entry);
    } else {
      if (time < entry.time) return;
      entry.time = time;
      entry.position = position;
      entry.place = firstPlace + at;
      entry.layout = this.#current!.layout;
      entry.at = at;
      entry.cells = undefined;
      entry.made = undefined;
      if (entry.held === held) return;
      entry.held = held;
    }
    held.entries.push(entry);
  }
  #hold(held: Held): void {
    if (held.entries.length === 0) return;
    this.#held.push(held);
    this.#heldRows += held.batch.count;
    const most = this.#options.batches ?? 64;
    while (this.#held.length > most || this.#heldRows > MOST_HELD_ROWS) {
      const oldest = this.#held.shift()!;
      this.#heldRows -= oldest.batch.count;
      for (const entry of oldest.entries) if (entry.held === oldest) copyOut(entry);
    }
  }

  all(layout: Layout): { readonly batch: Batch; readonly entries: readonly Entry[] } {
    const entries = [...this.#entries.values()];
    const rows = entries.map((entry) => {
      const cells = cellsOf(entry);
      if (entry.layout === layout) return cells;
      return layout.map(({ name }) => cells[entry.layout.findIndex((field) => field.name === name)] ?? null);
    });
    return { batch: batchOfCells(layout, rows), entries };
  }
  save(): SavedDataset {
    const { layout, version } = this.#newest!;
    const { batch, entries } = this.all(layout);
    return {
      contract: version,
      bytes: encodeBatch(batch),
      positions: Float64Array.from(entries, ({ position }) => position),
      places: Float64Array.from(entries, ({ place }) => place),
    };
  }
  load({ contract, bytes, positions, places }: SavedDataset): void {
    this.use(contract);
    const saved = this.#current!;
    const batch = decodeBatch(bytes);
    const columns = saved.keys.map((place) => batch.columns[place]!);
    // What was saved under an older contract is held as rows of today's, like every commit that is read.
    this.use(this.#options.contract(this.#dataset)?.version ?? contract);
    const { layout } = this.#current!;
    const sources = layout.map(({ name }) => batch.columns[saved.layout.findIndex((field) => field.name === name)]);
    for (let at = 0; at < batch.count; at++) {
      this.#entries.set(keyAt(columns, at), {
        time: valueAt(batch.columns[saved.time]!, at) as number,
        position: positions[at]!,
        place: places[at]!,
        layout,
        held: undefined,
        at: 0,
        cells: sources.map((column) => (column === undefined ? null : valueAt(column, at))),
        made: undefined,
      });
    }
  }
}

function keyAt(columns: readonly Column[], place: number): Key {
  if (columns.length === 1) return valueAt(columns[0]!, place) as Key;
  return joinedKey(columns.map((column) => valueAt(column, place) as Key));
}
const joinedKey = (key: readonly Key[]): string => JSON.stringify(key);

function cellsOf(entry: Entry): readonly Value[] {
  return entry.cells ?? entry.held!.batch.columns.map((column) => valueAt(column, entry.at));
}
function copyOut(entry: Entry): void {
  entry.cells = cellsOf(entry);
  entry.held = undefined;
}
function rowOf(entry: Entry): LatestRow {
  const cells = cellsOf(entry);
  const row = Object.fromEntries(entry.layout.map(({ name }, index) => [name, cells[index] ?? null]));
  return { row, position: entry.position, place: entry.place };
}
