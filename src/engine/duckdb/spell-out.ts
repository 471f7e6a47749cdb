/**
 * A dictionary lives in memory, so it may not grow without end: a column with too many distinct texts is written again
 * with the texts themselves. That copies the table once in its life, between two transactions of the writer.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { dictionaryName, quoted, tableName } from "./names.ts";
import type { Table } from "./table.ts";

export async function spellOut(connection: DuckDBConnection, table: Table, field: string): Promise<void> {
  const name = tableName(table.dataset);
  const copy = tableName(`${table.dataset}~`);
  const columns = [...table.systemColumns, ...table.columns.map((column) => column.field)].map((column) =>
    column === field ? `d.text AS ${quoted(field)}` : `t.${quoted(column)}`,
  );
  const join = `LEFT JOIN ${dictionaryName(table.dataset, field)} AS d ON d.id = t.${quoted(field)}`;
  await connection.run("BEGIN");
  try {
    await connection.run(
      `CREATE TABLE ${copy} AS SELECT ${columns.join(", ")} FROM ${name} AS t ${join} ORDER BY t.rowid`,
    );
    await connection.run(`DROP VIEW main.${quoted(table.dataset)}`);
    await connection.run(`DROP TABLE ${name}`);
    await connection.run(`ALTER TABLE ${copy} RENAME TO ${quoted(table.dataset)}`);
    await connection.run(`DROP TABLE ${dictionaryName(table.dataset, field)}`);
    await connection.run("UPDATE millpond.columns SET kind = 'varchar' WHERE dataset = ? AND field = ?", [
      table.dataset,
      field,
    ]);
    await connection.run(table.readableView(field));
    await connection.run("COMMIT");
  } catch (error) {
    await connection.run("ROLLBACK").catch(() => {});
    throw error;
  }
  table.spelledOut(field);
}
