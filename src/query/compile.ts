/**
 * Plans as statements of a SQL engine. The inner statement filters the state at one position and computes the output
 * columns; the outer one orders, continues behind a cursor and limits. Texts stored as ids stay ids all the way and
 * become texts only when the batch is made, except where an expression or the order needs them.
 */
import { assert, fail } from "../base/index.ts";
import { columnKind, type Layout, type LayoutField } from "../batch/index.ts";
import type { Contract } from "../contract/index.ts";
import {
  checkAggregate,
  checkExpression,
  compileAggregateSql,
  compileSql,
  type Expression,
  identifier,
  joinSql,
  renderSql,
  type SqlFragment,
  sql,
} from "../expression/index.ts";
import type { Position } from "../log/index.ts";
import type { Cursor } from "./cursor.ts";
import { behindSql, type OrderTerm, orderSql, sortKey } from "./order.ts";
import { DEFAULT_LIMIT, invalid, isGrouped, itemsOf, planSchema, WINDOW_START } from "./plan-shape.ts";
import type { Plan, Statement, StoredTable } from "./types.ts";

export interface CompiledPlan {
  /** The first columns are the answer's; hidden ones follow, which only cursors need. */
  readonly layout: Layout;
  readonly hidden: number;
  readonly order: readonly OrderTerm[];
  /** One more row than the limit is asked for, to know whether there is a next page. */
  readonly limit: number;
  statement(position: Position, cursor: Cursor | undefined): Statement & { readonly layout: Layout };
}

/** @throws `plan_invalid`, `query_failed` where the view does not hold the dataset as the contract declares it */
export function compilePlan(plan: Plan, contract: Contract, table: StoredTable): CompiledPlan {
  return new PlanCompiler(plan, contract, table);
}

interface Output {
  readonly field: LayoutField;
  readonly sql: SqlFragment;
  /** Set where the column holds ids. */
  readonly dictionary?: { readonly table: string; readonly reference: string };
  readonly grouping: boolean;
}

const trusted = (text: string): SqlFragment => ({ parts: [text], values: [] });

class PlanCompiler implements CompiledPlan {
  readonly layout: Layout;
  readonly hidden: number;
  readonly order: readonly OrderTerm[];
  readonly limit: number;
  readonly #plan: Plan;
  readonly #contract: Contract;
  readonly #table: StoredTable;
  readonly #schema: Layout;
  readonly #outputs: readonly Output[];
  readonly #where: SqlFragment | undefined;
  /** Dictionaries joined inside, by field. */
  readonly #joined = new Map<string, string>();

  constructor(plan: Plan, contract: Contract, table: StoredTable) {
    this.#plan = plan;
    this.#contract = contract;
    this.#table = table;
    this.#schema = planSchema(contract);
    this.limit = plan.limit ?? DEFAULT_LIMIT;
    this.#where = plan.where && this.#compile(plan.where);
    const visible = [...this.#items(), ...this.#window(), ...this.#aggregates()];
    const hidden = isGrouped(plan) ? [] : [this.#system("_position"), this.#system("_place")];
    this.#outputs = [...visible, ...hidden];
    this.hidden = hidden.length;
    this.layout = this.#outputs.map(({ field }) => field);
    this.order = this.#orderTerms();
  }

  #column(name: string): SqlFragment {
    if (name === "_position" || name === "_place") return sql`t.${identifier(name)}`;
    const stored = this.#table.columns.get(name);
    if (!stored) throw fail("query_failed", { problem: `the view does not hold the field '${name}' yet; ask again` });
    if (!stored.dictionary) return sql`t.${trusted(stored.name)}`;
    let alias = this.#joined.get(name);
    if (alias === undefined) {
      alias = `d${this.#joined.size}`;
      this.#joined.set(name, alias);
    }
    return trusted(`${alias}.text`);
  }
  #compile(expression: Expression): SqlFragment {
    return compileSql(expression, this.#schema, "duckdb", (name) => this.#column(name));
  }

  #items(): Output[] {
    return itemsOf(this.#plan, this.#contract).map(({ as, value }) => {
      const { type, nullable } = checkExpression(value, this.#schema, { allowPrevious: false });
      const field = { name: as, type, nullable };
      const stored = value.op === "field" ? this.#table.columns.get(value.name) : undefined;
      const grouping = isGrouped(this.#plan);
      if (stored?.dictionary) {
        return { field, sql: sql`t.${trusted(stored.name)}`, dictionary: stored.dictionary, grouping };
      }
      return { field, sql: this.#compile(value), grouping };
    });
  }
  #time(): SqlFragment {
    return this.#column(this.#contract.time);
  }
  #windowStart(every: number): SqlFragment {
    const width = trusted(String(every));
    const time = this.#time();
    return sql`(${time} - ((${time} % ${width}) + ${width}) % ${width})`;
  }
  #window(): Output[] {
    const { window } = this.#plan;
    if (!window) return [];
    const field: LayoutField = { name: WINDOW_START, type: "instant", nullable: false };
    return [{ field, sql: this.#windowStart(window.every), grouping: true }];
  }
  #aggregates(): Output[] {
    const options = { order: this.#logOrder(), column: (name: string) => this.#column(name) };
    return Object.entries(this.#plan.aggregates ?? {}).map(([name, aggregate]) => ({
      field: { name, ...checkAggregate(aggregate, this.#schema) },
      sql: compileAggregateSql(aggregate, this.#schema, "duckdb", options),
      grouping: false,
    }));
  }
  #system(name: "_position" | "_place"): Output {
    return { field: { name, type: "integer", nullable: false }, sql: this.#column(name), grouping: false };
  }

  /**
   * One integer that orders rows by event time, then by the log. Inside a window the time from its start and the row
   * number often fit into 64 bits together, which is a third faster than 128.
   */
  #logOrder(): SqlFragment {
    const row = trusted(`t.${this.#table.rowNumber}`);
    const every = this.#plan.window?.every;
    const rowBits = Math.ceil(Math.log2(this.#table.rowNumberLimit + 2));
    if (every !== undefined && Math.ceil(Math.log2(every + 1)) + rowBits <= 62) {
      const factor = trusted(String(2 ** rowBits));
      return sql`((${this.#time()} - ${this.#windowStart(every)}) * ${factor} + ${row})`;
    }
    return sql`(CAST(${this.#time()} AS HUGEINT) * 9223372036854775808 + ${row})`;
  }

  #orderTerms(): OrderTerm[] {
    const terms = (this.#plan.order ?? []).map(({ by, descending = false }, index) => {
      const column = this.#outputs.findIndex(({ field }) => field.name === by);
      if (this.#outputs[column]!.field.type === "json") throw invalid(`order[${index}]`, "json has no order");
      return this.#orderTerm(column, descending);
    });
    // Only what is not ordered by already: log order for rows, the group's columns for groups.
    this.#outputs.forEach(({ grouping }, column) => {
      const breaksTies = isGrouped(this.#plan) ? grouping : column >= this.#outputs.length - this.hidden;
      if (breaksTies && !terms.some((term) => term.column === column)) terms.push(this.#orderTerm(column, false));
    });
    return terms;
  }
  #orderTerm(column: number, descending: boolean): OrderTerm {
    const { field, dictionary } = this.#outputs[column]!;
    const plain = dictionary ? trusted(`o${column}.text`) : trusted(`inner_rows.c${column}`);
    return { column, type: field.type, nullable: field.nullable, descending, key: sortKey(field.type, plain) };
  }

  statement(position: Position, cursor: Cursor | undefined): Statement & { readonly layout: Layout } {
    const columns = this.#outputs.map((output, index) => sql`${output.sql} AS ${trusted(`c${index}`)}`);
    const groups = this.#outputs.flatMap(({ grouping }, index) => (grouping ? [trusted(String(index + 1))] : []));
    const grouping = groups.length === 0 ? sql`` : sql` GROUP BY ${joinSql(groups)}`;
    const inner = sql`SELECT ${joinSql(columns)} FROM ${this.#from(position)} WHERE ${this.#conditions(position)}${grouping}`;
    const outputs = joinSql(this.#outputs.map((_, index) => trusted(`inner_rows.c${index}`)));
    const behind = cursor ? sql` WHERE ${behindSql(this.order, cursor.values)}` : sql``;
    const ordered = this.order.length === 0 ? sql`` : sql` ORDER BY ${orderSql(this.order)}`;
    const whole = sql`SELECT ${outputs} FROM (${inner}) AS inner_rows${this.#orderJoins()}${behind}${ordered} LIMIT ${trusted(String(this.limit + 1))}`;
    const { text, values } = renderSql(whole, "duckdb");
    const dictionaries = this.#outputs.map(({ dictionary }) => dictionary?.reference ?? null);
    return { text, values, dictionaries, layout: this.layout };
  }
  #from(position: Position): SqlFragment {
    const joins = [...this.#joined].map(([name, alias]) => {
      const stored = this.#table.columns.get(name)!;
      assert(stored.dictionary, "only fields stored as ids are joined");
      const nullable = this.#contract.fields[name]!.nullable;
      const kind = nullable ? "LEFT JOIN" : "JOIN";
      return trusted(` ${kind} ${stored.dictionary.table} AS ${alias} ON ${alias}.id = t.${stored.name}`);
    });
    return sql`${trusted(this.#table.name)} AS t${this.#withoutSuperseded(position)}${joinSql(joins, sql``)}`;
  }
  #conditions(position: Position): SqlFragment {
    const conditions = [sql`t._position <= ${trusted(String(position))}`];
    if (this.#where) conditions.push(this.#where);
    return joinSql(conditions, sql` AND `);
  }
  /** Leaves out rows that a later one up to the position supersedes. Only marked rows can, and there are few. */
  #withoutSuperseded(position: Position): SqlFragment {
    const { name, supersedes, rowNumber } = this.#table;
    if (supersedes === undefined) return sql``;
    const columns = [...this.#contract.key, this.#contract.time].map((field) =>
      trusted(this.#table.columns.get(field)!.name),
    );
    const same = columns.map((column) => sql`later.${column} = t.${column}`);
    const marked = sql`SELECT ${joinSql(columns)}, ${trusted(rowNumber)} AS row_number FROM ${trusted(name)} WHERE ${trusted(supersedes)} AND _position <= ${trusted(String(position))}`;
    return sql` ANTI JOIN (${marked}) AS later ON ${joinSql(same, sql` AND `)} AND later.row_number > t.${trusted(rowNumber)}`;
  }
  #orderJoins(): SqlFragment {
    const joins = this.order.flatMap(({ column }) => {
      const dictionary = this.#outputs[column]!.dictionary;
      if (!dictionary) return [];
      return [trusted(` LEFT JOIN ${dictionary.table} AS o${column} ON o${column}.id = inner_rows.c${column}`)];
    });
    return joinSql(joins, sql``);
  }
}

export const orderKinds = (order: readonly OrderTerm[]) => order.map(({ type }) => columnKind(type));
