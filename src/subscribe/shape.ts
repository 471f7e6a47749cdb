/**
 * A shape: dataset, filter and fields, prepared once. It turns a commit into the frames every subscriber of the shape
 * gets. What must hold: a shape without filter and with all fields hands on the commit's own bytes; the same commit
 * gives the same frames live and while catching up.
 */
import { fail } from "../base/index.ts";
import {
  type Batch,
  batchOfCells,
  type Column,
  columnKind,
  type Layout,
  takeRows,
  type Value,
} from "../batch/index.ts";
import type { Contract } from "../contract/index.ts";
import { compileFilter, type Filter } from "../expression/index.ts";
import type { Cause, Change, Commit, Correction, Position } from "../log/index.ts";
import type { Conflation } from "./conflate.ts";
import type { RowsFrame, StreamSource, SubscriptionRequest } from "./types.ts";

export interface FramedCommit {
  readonly frames: RowsFrame[];
  readonly bytes: (Uint8Array | undefined)[];
}

/** One text for one shape: equal requests give equal keys whatever the order of properties in their expression. */
export function shapeKey(request: SubscriptionRequest, layout: Layout): string {
  const fields = isIdentity(request.fields, layout) ? null : request.fields;
  return JSON.stringify([request.dataset, fields, request.where === undefined ? null : sorted(request.where)]);
}

function sorted(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(sorted);
  if (typeof node !== "object" || node === null) return node;
  const entries = Object.entries(node).map(([name, value]) => [name, sorted(value)] as const);
  return Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1)));
}

const isIdentity = (fields: readonly string[] | undefined, layout: Layout): boolean =>
  fields === undefined ||
  (fields.length === layout.length && fields.every((field, index) => field === layout[index]!.name));

export class Shape {
  readonly dataset: string;
  readonly layout: Layout;
  readonly contract: Contract;
  readonly #full: Layout;
  readonly #where: Filter | undefined;
  /** Column places of the wanted fields; undefined for all in order. */
  readonly #columns: readonly number[] | undefined;
  #places = new Uint32Array(1024);

  constructor(request: SubscriptionRequest, source: StreamSource) {
    const known = source.contracts.get(request.dataset);
    if (known === undefined) {
      throw fail("dataset_unknown", { dataset: request.dataset, known: [...source.contracts.keys()] });
    }
    this.dataset = request.dataset;
    this.contract = known.contract;
    this.#full = known.contract.layout;
    this.#where = request.where === undefined ? undefined : compileFilter(request.where, this.#full);
    this.#columns = isIdentity(request.fields, this.#full)
      ? undefined
      : request.fields!.map((field) => columnOf(field, known.contract));
    this.layout = this.#columns === undefined ? this.#full : this.#columns.map((place) => this.#full[place]!);
  }

  /** Frames of a commit for this shape, chained from `previous`; empty where nothing passes. */
  frame(commit: Commit, previous: Position): FramedCommit {
    const frames: RowsFrame[] = [];
    const bytes: (Uint8Array | undefined)[] = [];
    for (const change of commit.changes) {
      if (change.dataset !== this.dataset || change.batch.count === 0) continue;
      const batch = this.#adapted(change);
      const places = this.pass(batch, change.operation === "correct" ? commit.cause : undefined);
      if (places !== undefined && places.length === 0) continue;
      const whole = places === undefined && this.#columns === undefined && batch === change.batch;
      const frame: RowsFrame = {
        kind: "rows",
        position: commit.position,
        previous,
        operation: change.operation,
        batch: whole ? batch : this.project(batch, places),
        layout: this.layout,
        ...(change.operation === "correct" && { cause: this.#cause(commit.cause, places) }),
      };
      frames.push(frame);
      bytes.push(whole ? change.bytes : undefined);
    }
    for (let place = 0; place < frames.length - 1; place++) frames[place] = { ...frames[place]!, continued: true };
    return { frames, bytes };
  }

  /** Adds the rows of a commit that pass to what waits for a slow subscriber. */
  conflate(commit: Commit, into: Conflation): void {
    for (const change of commit.changes) {
      if (change.dataset !== this.dataset) continue;
      const batch = this.#adapted(change);
      into.add(batch, this.pass(batch, change.operation === "correct" ? commit.cause : undefined));
    }
  }

  /** Places of the rows that pass; undefined when all do. The array is used again by the next call. */
  pass(batch: Batch, cause?: Cause): Uint32Array | undefined {
    if (this.#where === undefined) return undefined;
    if (this.#places.length < batch.count) this.#places = new Uint32Array(batch.count * 2);
    const count = this.#where(batch, this.#places);
    const passed = this.#places.subarray(0, count);
    const lost = count < batch.count ? this.#lostSight(cause) : [];
    if (lost.length > 0) return Uint32Array.from(new Set([...passed, ...lost])).sort();
    return count === batch.count ? undefined : passed;
  }

  /** The wanted columns of the rows that passed. */
  project(batch: Batch, places: Uint32Array | undefined): Batch {
    const narrow =
      this.#columns === undefined
        ? batch
        : { count: batch.count, columns: this.#columns.map((place) => batch.columns[place]!) };
    return places === undefined ? narrow : takeRows(narrow, places);
  }

  /** Corrected rows whose superseded form passed: whoever saw that one must hear of the new one. */
  #lostSight(cause: Cause | undefined): number[] {
    if (cause?.kind !== "flow" || cause.corrections === undefined) return [];
    const replaced = batchOfCells(
      this.#full,
      cause.corrections.map((correction) => correction.replaced),
    );
    const places = new Uint32Array(replaced.count);
    const count = this.#where!(replaced, places);
    return Array.from(places.subarray(0, count), (place) => cause.corrections![place]!.place);
  }

  #cause(cause: Cause, places: Uint32Array | undefined): Cause {
    if (cause.kind !== "flow" || cause.corrections === undefined) return cause;
    const moved = places === undefined ? undefined : new Map(Array.from(places, (from, to) => [from, to]));
    const corrections: Correction[] = [];
    for (const correction of cause.corrections) {
      const place = moved === undefined ? correction.place : moved.get(correction.place);
      if (place === undefined) continue;
      const replaced: readonly Value[] =
        this.#columns === undefined
          ? correction.replaced
          : this.#columns.map((column) => correction.replaced[column] ?? null);
      corrections.push({ ...correction, place, replaced });
    }
    return { ...cause, corrections };
  }

  /** Rows of an older contract version in today's layout: fields are only ever added, at the end, and are null before. */
  #adapted({ batch }: Change): Batch {
    const missing = this.#full.slice(batch.columns.length);
    if (missing.length === 0) return batch;
    const added = missing.map(({ type }) => nullColumn(columnKind(type), batch.count));
    return { count: batch.count, columns: [...batch.columns, ...added] };
  }
}

function nullColumn(kind: Column["kind"], count: number): Column {
  const nulls = new Uint8Array(count).fill(1);
  if (kind === "number") return { kind, values: new Float64Array(count), nulls };
  if (kind === "boolean") return { kind, values: new Uint8Array(count), nulls };
  return { kind, dictionary: [""], indexes: new Uint32Array(count), nulls };
}

function columnOf(field: string, contract: Contract): number {
  const place = contract.layout.findIndex(({ name }) => name === field);
  const known = contract.layout.map(({ name }) => name);
  if (place < 0) throw fail("field_unknown", { dataset: contract.name, field, known });
  return place;
}
