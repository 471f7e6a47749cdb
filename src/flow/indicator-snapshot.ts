/** The histories of all keys as a few columns, one key behind the other. */
import type { HistoryContent, IndicatorHistory } from "./indicator-history.ts";
import type { IndicatorPlan } from "./indicator-plan.ts";
import { eachList, joined, type Packed, type PackedLists, packed, packedLists } from "./packed.ts";

export interface SavedHistories {
  /** Rows of each key. */
  readonly counts: Packed;
  readonly times: Float64Array;
  readonly inputs: Float64Array;
  readonly revisions: Int32Array;
  readonly oldest: Float64Array;
  readonly captured: PackedLists;
  readonly trimmed: Packed;
}

export function saveHistories(histories: readonly IndicatorHistory[]): SavedHistories {
  const contents = histories.map((history) => history.content());
  const all = <Kind>(part: (content: HistoryContent) => Kind): Kind[] => contents.map(part);
  return {
    counts: packed(all(({ times }) => times.length)),
    times: joined(
      all(({ times }) => times),
      Float64Array,
    ),
    inputs: joined(
      all(({ inputs }) => inputs),
      Float64Array,
    ),
    revisions: joined(
      all(({ revisions }) => revisions),
      Int32Array,
    ),
    oldest: joined(
      all(({ oldest }) => oldest),
      Float64Array,
    ),
    captured: packedLists(all(({ captured }) => captured)),
    trimmed: packed(all(({ trimmed }) => Number(trimmed))),
  };
}

export function loadHistories(
  { counts, times, inputs, revisions, oldest, captured, trimmed }: SavedHistories,
  { inputs: { length: width }, stateWidth }: IndicatorPlan,
  make: () => IndicatorHistory,
): IndicatorHistory[] {
  const histories: IndicatorHistory[] = [];
  let from = 0;
  eachList(captured, (places, key) => {
    const through = from + counts[key]!;
    const history = make();
    history.restore({
      times: times.subarray(from, through),
      inputs: inputs.subarray(from * width, through * width),
      revisions: revisions.subarray(from, through),
      oldest: oldest.subarray(key * stateWidth, (key + 1) * stateWidth),
      captured: [...places],
      trimmed: trimmed[key] === 1,
    });
    histories.push(history);
    from = through;
  });
  return histories;
}
