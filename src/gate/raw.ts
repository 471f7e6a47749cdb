/**
 * The raw form of a received row, for people and for a retry: JSON text as close to what came as can be stored. Held
 * within bounds however large or hostile the row is.
 */
import { formatInstant } from "../base/index.ts";
import { type Batch, type Layout, type LayoutField, type Value, valueAt } from "../batch/index.ts";

export interface RawRow {
  readonly raw: string;
  /** Whether something is missing or was replaced, so that the row cannot be tried again. */
  readonly cut: boolean;
}

/** Most UTF-8 bytes of one kept row. */
export const RAW_LIMIT_BYTES = 65_536;
/** Most bytes kept of all rows of a batch together, and what each further row may still have. */
export const RAW_BUDGET_BYTES = 16 * 1024 * 1024;
const LEAST_BYTES = 256;

const scratch = new Uint8Array(RAW_LIMIT_BYTES);
const encoder = new TextEncoder();

/** Hands out the bytes that the raw rows of one batch may take. */
export class RawBudget {
  #left = RAW_BUDGET_BYTES;

  get limitBytes(): number {
    return Math.max(LEAST_BYTES, Math.min(RAW_LIMIT_BYTES, this.#left));
  }
  /** Text that can be stored, cut at the limit between two characters. */
  keep(text: string, alreadyCut = false): RawRow {
    const limitBytes = this.limitBytes;
    const storable = text.includes("\0") ? text.replaceAll("\0", "\u2400") : text;
    const { read, written } = encoder.encodeInto(storable, scratch.subarray(0, limitBytes));
    this.#left -= written;
    const raw = storable.slice(0, read).toWellFormed();
    return { raw, cut: alreadyCut || raw !== text };
  }
}

/** A row of columns as a JSON object by the layout's names: instants in RFC 3339, numbers JSON cannot hold as text. */
export function rawOfColumns(layout: Layout, batch: Batch, place: number, budget: RawBudget): RawRow {
  const limit = budget.limitBytes;
  let cut = false;
  const cells = layout.map((field, index) => {
    let value = valueAt(batch.columns[index]!, place);
    if (typeof value === "string" && value.length > limit) {
      value = value.slice(0, limit);
      cut = true;
    }
    return `${JSON.stringify(field.name)}:${jsonOf(field, value)}`;
  });
  return budget.keep(`{${cells.join(",")}}`, cut);
}

function jsonOf({ type }: LayoutField, value: Value): string {
  if (type === "json" && typeof value === "string") {
    try {
      return JSON.stringify(JSON.parse(value));
    } catch {
      return JSON.stringify(value);
    }
  }
  if (typeof value !== "number") return JSON.stringify(value);
  if (type === "instant" && Number.isSafeInteger(value)) return JSON.stringify(formatInstant(value));
  return Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
}

/** A parsed row as JSON text. What JSON cannot hold (a cycle, too deep a nesting, a throwing getter) is only named. */
export function rawOfValue(value: unknown, budget: RawBudget): RawRow {
  try {
    const text = JSON.stringify(value) as string | undefined;
    return text === undefined ? budget.keep(typeof value, true) : budget.keep(text);
  } catch {
    return budget.keep(Array.isArray(value) ? "[…]" : "{…}", true);
  }
}
