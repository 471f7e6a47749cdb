/** Putting row code into functions over batches: how columns are read, the tables over dictionaries, the constants. */
import { type Batch, columnKind, type Layout } from "../../batch/index.ts";
import type { Expression } from "../types.ts";
import type { Typed } from "../typing.ts";
import { helpers } from "../values.ts";
import { Emitter, type FieldAccess } from "./emitter.ts";

/**
 * Reads the row `i` of the batch whose columns are in scope as `columns`. `plain` code is for batches where no used
 * column has nulls, and looks for none.
 */
export class BatchAccess implements FieldAccess {
  readonly used = new Set<number>();
  readonly #layout: Layout;
  readonly #plain: boolean;

  constructor(layout: Layout, plain: boolean) {
    this.#layout = layout;
    this.#plain = plain;
  }
  field(index: number) {
    this.used.add(index);
    const kind = columnKind(this.#layout[index]!.type);
    const code = kind === "text" ? `d${index}[x${index}[i]]` : `v${index}[i]`;
    return {
      code: this.#unlessNull(index, { number: "NaN", text: "null", boolean: "2" }[kind], code),
      nullable: !this.#plain,
    };
  }
  previous(index: number): { readonly code: string } {
    return { code: { number: "NaN", text: "null", boolean: "2" }[columnKind(this.#layout[index]!.type)] };
  }
  place(index: number): string {
    this.used.add(index);
    return this.#unlessNull(index, `d${index}.length`, `x${index}[i]`);
  }
  /** Binds the arrays of the used columns to the names that the row code reads. */
  prologue(): string[] {
    return [...this.used].map((index) => {
      const arrays =
        columnKind(this.#layout[index]!.type) === "text"
          ? `d${index} = columns[${index}].dictionary, x${index} = columns[${index}].indexes`
          : `v${index} = columns[${index}].values`;
      return `const ${arrays}, z${index} = columns[${index}].nulls;`;
    });
  }
  #unlessNull(index: number, otherwise: string, code: string): string {
    return this.#plain ? code : `z${index} !== null && z${index}[i] === 1 ? ${otherwise} : ${code}`;
  }
}

type TableMaker = (dictionary: readonly string[]) => unknown;

export interface Assembly {
  readonly layout: Layout;
  readonly types: ReadonlyMap<Expression, Typed>;
  /** The parameters of the made function, which must include `columns`. */
  readonly parameters: string;
  /** Its body out of the row code. */
  readonly body: (emitter: Emitter) => (prologue: string) => string;
}

/** Generates a function and gives it its constants, tables and helpers. */
export function assemble<Made>(assembly: Assembly, access: FieldAccess & { prologue(): string[] }): Made {
  const { layout, types, parameters } = assembly;
  const emitter = new Emitter(layout, types, access);
  const finish = assembly.body(emitter);
  const prologue = [
    ...access.prologue(),
    ...emitter.constants.map((_, index) => `const k${index} = constants[${index}];`),
    ...emitter.tables.map(({ column }, index) => `const t${index} = tables[${index}](columns[${column}].dictionary);`),
  ];
  const code = `"use strict"; return function (${parameters}) {\n${finish(prologue.join("\n"))}\n};`;
  const tables = emitter.tables.map(({ expression }) => makeTable(expression, layout, types));
  return new Function("helpers", "constants", "tables", code)(helpers, emitter.constants, tables) as Made;
}

/** A function that evaluates an expression over one text for each entry of a dictionary, and for null behind them. */
function makeTable(expression: Expression, layout: Layout, types: ReadonlyMap<Expression, Typed>): TableMaker {
  const kind = columnKind(types.get(expression)!.type);
  const made = { number: "Float64Array", text: "Array", boolean: "Uint8Array" }[kind];
  const access = {
    field: () => ({ code: "s", nullable: true }),
    previous: () => ({ code: "null" }),
    prologue: () => [],
  };
  return assemble<TableMaker>(
    {
      layout,
      types,
      parameters: "dictionary",
      body: (emitter) => {
        const result =
          kind === "number"
            ? emitter.settled(expression).code
            : kind === "text"
              ? emitter.text(expression).code
              : emitter.ternary(expression);
        return (prologue) => `${prologue}
const size = dictionary.length;
const table = new ${made}(size + 1);
for (let i = 0; i <= size; i++) {
const s = i < size ? dictionary[i] : null;
${emitter.lines.join("\n")}
table[i] = ${result};
}
return table;`;
      },
    },
    access,
  );
}

/**
 * A function in two forms, made when first needed: one for batches where no used column has nulls, one for all others.
 */
export function inTwoForms<Made>(make: (access: BatchAccess) => Made, layout: Layout): (batch: Batch) => Made {
  const generalAccess = new BatchAccess(layout, false);
  const general = make(generalAccess);
  const used = [...generalAccess.used];
  let plain: Made | undefined;
  return (batch) => {
    for (const index of used) if (batch.columns[index]!.nulls !== null) return general;
    plain ??= make(new BatchAccess(layout, true));
    return plain;
  };
}
