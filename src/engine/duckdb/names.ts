/**
 * Names in the file. Rows lie in the schema `stored`, one table a dataset; `main` holds a readable view of each, with
 * ids as texts and corrected rows left out, for people who open the file with other tools.
 */
import type { ContractVersion } from "../../contract/index.ts";
import type { StoredColumn, StoredTable } from "../../query/index.ts";
import type { TableState } from "./protocol.ts";

export const POSITION_COLUMN = "_position";
export const PLACE_COLUMN = "_place";
/** True where an earlier row may have the same key and time; only in datasets that are corrected. */
export const SUPERSEDES_COLUMN = "_supersedes";

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const tableName = (dataset: string): string => `stored.${quoted(dataset)}`;
export const dictionaryName = (dataset: string, field: string): string =>
  `dictionary.${quoted(dictionaryTable(dataset, field))}`;
export const dictionaryTable = (dataset: string, field: string): string => `${dataset}.${field}`;

/** What the query room compiles against. */
export function storedTableOf(state: TableState): StoredTable {
  const columns = new Map<string, StoredColumn>();
  for (const { field, dictionary } of state.columns) {
    columns.set(
      field,
      dictionary
        ? {
            name: quoted(field),
            dictionary: {
              table: dictionaryName(state.dataset, field),
              reference: dictionaryTable(state.dataset, field),
            },
          }
        : { name: quoted(field) },
    );
  }
  return {
    name: tableName(state.dataset),
    columns,
    rowNumber: "rowid",
    rowNumberLimit: state.rows,
    ...(state.supersedes ? { supersedes: quoted(SUPERSEDES_COLUMN) } : {}),
  };
}

/**
 * Fields stored as ids: enumerations, and texts that are part of the key. Both repeat much; but Millpond's own
 * datasets are keyed by ids that never do.
 */
export function isDictionaryField({ contract }: ContractVersion, field: string): boolean {
  const { type, options } = contract.fields[field]!;
  return type === "text" && (options !== undefined || (contract.key.includes(field) && !contract.name.startsWith("_")));
}

/** Joined behind `t`, leaves out rows that a later one supersedes. Only marked rows are compared, and there are few. */
export function withoutSuperseded({ name, key, time }: ContractVersion["contract"]): string {
  const names = [...key, time].map(quoted);
  const same = names.map((column) => `later.${column} = t.${column}`).join(" AND ");
  const marked = `SELECT ${names.join(", ")}, rowid AS row_number FROM ${tableName(name)} WHERE ${SUPERSEDES_COLUMN}`;
  return ` ANTI JOIN (${marked}) AS later ON ${same} AND later.row_number > t.rowid`;
}

export function readableView({ contract }: ContractVersion, dictionaries: ReadonlySet<string>): string {
  const joins = [...dictionaries].map((field, index) => {
    return `LEFT JOIN ${dictionaryName(contract.name, field)} AS d${index} ON d${index}.id = t.${quoted(field)}`;
  });
  const places = new Map([...dictionaries].map((field, index) => [field, index]));
  const outputs = contract.layout.map(({ name }) => {
    const place = places.get(name);
    return place === undefined ? `t.${quoted(name)}` : `d${place}.text AS ${quoted(name)}`;
  });
  const kept = contract.identity === "keyTime" ? withoutSuperseded(contract) : "";
  return (
    `CREATE OR REPLACE VIEW main.${quoted(contract.name)} AS SELECT ${outputs.join(", ")}, t._position, t._place ` +
    `FROM ${tableName(contract.name)} AS t${kept} ${joins.join(" ")}`
  );
}
