/**
 * The first stages: decode, check, normalise. They look at the batch alone, so they can be done at once whatever else
 * is under way. A row that makes them throw is refused by itself: the batch is halved until only that row is left.
 */
import { type Logger, MillpondError, messageOf } from "../base/index.ts";
import { type Batch, type Column, concatBatches, takeRows } from "../batch/index.ts";
import {
  type Contract,
  compileDecoder,
  type Decoded,
  type FeedPolicy,
  type RefusedRow,
  type RowDecoder,
} from "../contract/index.ts";
import { compileColumn } from "../expression/index.ts";
import type { Received } from "./incoming.ts";

/** Rows that fit the contract, and the others with their reasons. */
export interface Checked {
  readonly batch: Batch;
  /** The received place of a row of the batch. */
  placeOf(place: number): number;
  /** Ascending by received place. */
  readonly refused: readonly RefusedRow[];
}

type Normaliser = (batch: Batch) => Column;

export class Checker {
  readonly #decoder: RowDecoder;
  /** By column; undefined where the policy leaves a field as it came. */
  readonly #normalisers: readonly (Normaliser | undefined)[] | undefined;
  readonly #logger: Logger;

  constructor(contract: Contract, policy: FeedPolicy | undefined, logger: Logger) {
    this.#decoder = compileDecoder(contract);
    this.#logger = logger;
    const { normalise } = policy ?? {};
    if (normalise === undefined || Object.keys(normalise).length === 0) return;
    this.#normalisers = contract.layout.map(({ name }) => {
      const expression = Object.hasOwn(normalise, name) ? normalise[name] : undefined;
      return expression && compileColumn(expression, contract.layout);
    });
  }

  /** @throws `batch_malformed` where the columns are not those of the contract */
  check(received: Received): Checked {
    const decoded = this.#decode(received, 0, received.readable);
    const { batch, places } = decoded;
    const refused = decoded.refused.map((row) => ({ ...row, place: received.placeOf(row.place) }));
    return {
      batch,
      placeOf: (place) => received.placeOf(places[place]!),
      refused:
        received.unreadable.length === 0
          ? refused
          : [...refused, ...received.unreadable].sort((left, right) => left.place - right.place),
    };
  }

  #decode(received: Received, from: number, to: number): Decoded {
    try {
      return this.#normalised(received.decode(this.#decoder, from, to));
    } catch (error) {
      if (error instanceof MillpondError) throw error;
      if (to - from <= 1) return this.#unjudgeable(error, to - from);
      const middle = (from + to) >> 1;
      return joined(this.#decode(received, from, middle), this.#decode(received, middle, to), middle - from);
    }
  }

  /** The expressions of the policy replace values; the outcome must fit the contract like any row. */
  #normalised(decoded: Decoded): Decoded {
    if (this.#normalisers === undefined || decoded.batch.count === 0) return decoded;
    const { batch, places, refused } = decoded;
    const columns = batch.columns.map((column, index) => this.#normalisers?.[index]?.(batch) ?? column);
    const again = this.#decoder.checkColumns({ count: batch.count, columns });
    const alsoRefused = again.refused.map((row): RefusedRow => ({ ...asNormalised(row), place: places[row.place]! }));
    return {
      batch: again.batch,
      places: again.refused.length === 0 ? places : again.places.map((place) => places[place]!),
      refused: [...refused, ...alsoRefused].sort((left, right) => left.place - right.place),
    };
  }

  #unjudgeable(error: unknown, count: number): Decoded {
    if (count === 0) throw error;
    const problem = error instanceof Error ? error.name : typeof error;
    this.#logger.log("error", "row_unjudgeable", { problem });
    const refused = [{ place: 0, code: "row_unjudgeable" as const, message: messageOf("row_unjudgeable", {}) }];
    return { batch: this.#decoder.decodeRows([]).batch, places: new Uint32Array(0), refused };
  }
}

/** The sender did send a value: it is the feed's expression that gave none. */
function asNormalised(row: RefusedRow): RefusedRow {
  if (row.code !== "field_missing" || row.field === undefined) return row;
  const details = { field: row.field, expected: "a value", actual: "null after normalisation" };
  return { ...row, code: "value_wrong_type", message: messageOf("value_wrong_type", details) };
}

function joined(left: Decoded, right: Decoded, leftRows: number): Decoded {
  const places = new Uint32Array(left.places.length + right.places.length);
  places.set(left.places);
  places.set(
    right.places.map((place) => place + leftRows),
    left.places.length,
  );
  return {
    batch: concatBatches([left.batch, right.batch]),
    places,
    refused: [...left.refused, ...right.refused.map((row) => ({ ...row, place: row.place + leftRows }))],
  };
}

/** Rows at some places in canonical form: `takeRows` may leave a text in a dictionary that only a null points at. */
export function keepRows(batch: Batch, places: Uint32Array): Batch {
  const taken = takeRows(batch, places);
  const nullable = taken.columns.some(({ kind, nulls }) => kind === "text" && nulls !== null);
  return nullable ? concatBatches([taken, { count: 0, columns: taken.columns.map(emptied) }]) : taken;
}

function emptied(column: Column): Column {
  if (column.kind === "text") return { ...column, indexes: new Uint32Array(0), nulls: null };
  return { ...column, values: column.values.subarray(0, 0), nulls: null } as Column;
}
