/**
 * The check stage of the gate: rows or columns of any origin become a batch in the contract's layout, whose every
 * cell is canonical, and a reason for each row that cannot. Equal rows give equal cells by whichever way they came.
 */
import { fail } from "../base/index.ts";
import { type Batch, type Column, ColumnBuilder, type TextColumn, takeRows, valueAt } from "../batch/index.ts";
import { columnCheck, isCanonical } from "./columns.ts";
import { lengthLimit } from "./fields.ts";
import { columnDecode, RowShapes } from "./rows.ts";
import { utf8Length } from "./text-checks.ts";
import type { Contract, Field } from "./types.ts";
import { type Decoded, Verdicts } from "./verdicts.ts";

export interface RowDecoder {
  /** Whether some field is a decimal: then JSON text must be read with the limit of the same name. */
  readonly decimals: boolean;
  /**
   * Decodes objects. Names must be declared, values of the field's own type: numbers are numbers (not text), instants
   * RFC 3339 text or integer microseconds, decimals text (or numbers a double holds exactly), json any JSON value.
   */
  decodeRows(rows: readonly unknown[]): Decoded;
  /**
   * Checks columns in the contract's layout. Where all rows are good and canonical the batch is the given one.
   * @throws `batch_malformed` where the columns are not those of the layout
   */
  checkColumns(batch: Batch): Decoded;
}

export interface DecoderLimits {
  /** Most bytes of a row: its texts in UTF-8, 8 for any other cell; default 65,536. */
  readonly rowBytes?: number;
}

export const ROW_BYTES = 65_536;

/** Done once per contract version; the decoder keeps no state between calls that could change an answer. */
export function compileDecoder(contract: Contract, limits: DecoderLimits = {}): RowDecoder {
  const rowBytes = limits.rowBytes ?? ROW_BYTES;
  const fields = Object.entries(contract.fields);
  const shapes = new RowShapes(fields.map(([name]) => name));
  const decodes = fields.map(([name, field]) => columnDecode(name, field));
  const checks = fields.map(([name, field]) => columnCheck(name, field));
  const mayBeTooLarge = fields.reduce((sum, [, field]) => sum + mostBytes(field), 0) > rowBytes;

  const finish = (batch: Batch, verdicts: Verdicts): Decoded => {
    if (mayBeTooLarge) refuseTooLarge(batch, rowBytes, verdicts);
    const places = verdicts.goodPlaces();
    return {
      batch: verdicts.bad === null ? batch : keepRows(batch, places),
      places,
      refused: verdicts.refused(),
    };
  };

  return {
    decimals: fields.some(([, field]) => field.type === "decimal"),
    decodeRows(rows) {
      const verdicts = new Verdicts(rows.length);
      const objects = shapes.check(rows, verdicts);
      const columns = decodes.map((decode) => decode(objects, verdicts));
      return finish({ count: rows.length, columns }, verdicts);
    },
    checkColumns(batch) {
      if (batch.columns.length !== checks.length) {
        const problem = `${batch.columns.length} columns where '${contract.name}' has ${checks.length}`;
        throw fail("batch_malformed", { problem });
      }
      const verdicts = new Verdicts(batch.count);
      let changed = false;
      const columns: Column[] = new Array(checks.length);
      for (let index = 0; index < checks.length; index++) {
        const given = batch.columns[index]!;
        columns[index] = checks[index]!(given, verdicts);
        changed ||= columns[index] !== given;
      }
      return finish(changed ? { count: batch.count, columns } : batch, verdicts);
    },
  };
}

function mostBytes(field: Field): number {
  if (field.type === "decimal") return 41;
  return field.type === "text" || field.type === "json" ? lengthLimit(field) * 4 : 8;
}

/** Looks at single rows only where the longest texts of all columns together could be too much. */
function refuseTooLarge(batch: Batch, limitBytes: number, verdicts: Verdicts): void {
  const sizes = batch.columns.map((column) => (column.kind === "text" ? column.dictionary.map(utf8Length) : [8]));
  const longest = sizes.reduce((sum, lengths) => sum + lengths.reduce((most, length) => Math.max(most, length), 0), 0);
  if (longest <= limitBytes) return;
  for (let place = 0; place < batch.count; place++) {
    let bytes = 0;
    for (let index = 0; index < sizes.length; index++) {
      const column = batch.columns[index]!;
      if (column.kind !== "text") bytes += 8;
      else if (column.nulls === null || column.nulls[place] === 0) bytes += sizes[index]![column.indexes[place]!]!;
    }
    if (bytes > limitBytes) verdicts.refuse(place, { code: "row_too_large", details: { limitBytes } });
  }
}

/** The good rows, every dictionary cut to what they use. */
function keepRows(batch: Batch, places: Uint32Array): Batch {
  const { count, columns } = takeRows(batch, places);
  return {
    count,
    columns: columns.map((column) => (column.kind === "text" && !isCanonical(column) ? rebuilt(column) : column)),
  };
}

function rebuilt(column: TextColumn): Column {
  const builder = new ColumnBuilder("text", column.indexes.length);
  for (let place = 0; place < column.indexes.length; place++) builder.add(valueAt(column, place));
  return builder.finish();
}
