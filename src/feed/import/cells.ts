/** One line to its cells. Quotes are rare in data of this kind: only a line that holds one goes through the parser. */
import { parse } from "csv-parse/sync";

/** The cells, or what is wrong with the line. A record is one line: an unclosed quote costs its own line only. */
export function cellsOfLine(line: string, delimiter: string, mostColumns: number): readonly string[] | string {
  let cells: readonly string[];
  if (line.includes('"')) {
    try {
      const records = parse(line, { delimiter, relax_column_count: true, trim: false }) as string[][];
      cells = records[0] ?? [];
    } catch {
      return "its quotes are malformed or not closed on the line";
    }
  } else cells = line.split(delimiter);
  return cells.length > mostColumns ? `it has more than ${mostColumns} columns` : cells;
}
