/**
 * The JSON form of rows and frames, for people and simple clients. Instants are RFC 3339 text, decimals are text,
 * durations are microseconds, json is the value itself; rows are objects by field name.
 */
import { fail, formatInstant, parseInstant } from "../base/index.ts";
import { type Batch, batchOfCells, type Column, type Layout, type Value, valueAt } from "../batch/index.ts";
import type { Frame } from "./types.ts";

export type JsonRow = Readonly<Record<string, unknown>>;

/** Of one answer or frame. Columns hold a text once that JSON repeats in every row. */
export const MOST_ROWS_BYTES = 128 * 1024 * 1024;

/**
 * The JSON text of an array of rows. Columns are turned to text one after the other, never through objects.
 * @throws `answer_too_large`
 */
export function rowsToJson(layout: Layout, batch: Batch): string {
  const names = layout.map(({ name }) => `${JSON.stringify(name)}:`);
  const cells = layout.map((field, index) => cellWriter(batch.columns[index]!, field.type));
  const width = layout.length;
  let text = "[";
  for (let place = 0; place < batch.count; place++) {
    text += place === 0 ? "{" : ",{";
    for (let index = 0; index < width; index++) text += (index === 0 ? "" : ",") + names[index]! + cells[index]!(place);
    text += "}";
    if (text.length > MOST_ROWS_BYTES) throw fail("answer_too_large", { limitBytes: MOST_ROWS_BYTES });
  }
  return `${text}]`;
}

function cellWriter(column: Column, type: Layout[number]["type"]): (place: number) => string {
  if (column.kind === "text") {
    const texts = type === "json" ? column.dictionary : column.dictionary.map((text) => JSON.stringify(text));
    const { indexes, nulls } = column;
    return (place) => (nulls !== null && nulls[place] === 1 ? "null" : texts[indexes[place]!]!);
  }
  if (type === "instant") {
    return (place) => {
      const value = valueAt(column, place);
      return value === null ? "null" : `"${formatInstant(value as number)}"`;
    };
  }
  return (place) => String(valueAt(column, place));
}

/** A row as it goes into JSON. */
export function rowToJson(layout: Layout, row: Readonly<Record<string, Value>>): JsonRow {
  const given: Record<string, unknown> = {};
  for (const { name, type } of layout) {
    const value = row[name] ?? null;
    if (value === null) given[name] = null;
    else if (type === "instant") given[name] = formatInstant(value as number);
    else given[name] = type === "json" ? JSON.parse(value as string) : value;
  }
  return given;
}

/** A row read back from JSON. @throws `frame_malformed` */
export function rowFromJson(layout: Layout, given: unknown): Value[] {
  if (typeof given !== "object" || given === null) throw fail("frame_malformed", { problem: "a row is not an object" });
  return layout.map(({ name, type }) => {
    const value = (given as Record<string, unknown>)[name] ?? null;
    if (value === null) return null;
    if (type === "json") return JSON.stringify(value);
    if (type !== "instant") return value as Value;
    const instant = typeof value === "string" ? parseInstant(value) : undefined;
    if (instant === undefined) throw fail("frame_malformed", { problem: `'${name}' is not an instant` });
    return instant;
  });
}

/** A frame as JSON text. The first properties are `head`, such as `"type":"rows","channel":4`. */
export function frameToJson(frame: Frame, head: string): string {
  switch (frame.kind) {
    case "rows": {
      const { position, previous, operation, cause, conflated } = frame;
      let text = `{${head},"position":${position},"previous":${previous},"operation":"${operation}"`;
      if (frame.continued === true) text += `,"continued":true`;
      if (conflated !== undefined) text += `,"conflated":${conflated}`;
      if (cause !== undefined) text += `,"cause":${JSON.stringify(cause)}`;
      return `${text},"rows":${rowsToJson(frame.layout, frame.batch)}}`;
    }
    case "provisional":
      return `{${head},"asOf":${frame.asOf},"rows":${rowsToJson(frame.layout, frame.batch)}}`;
    case "gap":
      return `{${head},"after":${frame.after},"through":${frame.through},"cause":"${frame.cause}"}`;
    case "cut":
      return `{${head},"cursor":${frame.cursor},"cause":"${frame.cause}"}`;
  }
}

/** A frame read back from parsed JSON. @throws `frame_malformed` */
export function frameFromJson(kind: Frame["kind"], given: Readonly<Record<string, unknown>>, layout: Layout): Frame {
  const { type: _type, channel: _channel, rows, ...rest } = given;
  if (kind === "gap" || kind === "cut") return { kind, ...rest } as unknown as Frame;
  if (!Array.isArray(rows)) throw fail("frame_malformed", { problem: "rows are missing" });
  const batch = batchOfCells(
    layout,
    rows.map((row) => rowFromJson(layout, row)),
  );
  return { kind, ...rest, batch, layout } as unknown as Frame;
}
