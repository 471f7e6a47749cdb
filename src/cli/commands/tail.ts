/** `tail`: rows as they are pushed, over the same stream that every program uses. */
import type { Command } from "commander";
import type { AnyRow, Stream, StreamEvent } from "../../../client/node.ts";
import type { Layout } from "../../batch/index.ts";
import { act, type Context, example } from "../command.ts";
import { onInterrupt } from "../interrupts.ts";
import { listOption, usage, whole } from "../options.ts";
import { printable } from "../output.ts";
import { cellText, isNumeric, type PlainRow, plainRows } from "../rows.ts";
import { withSession } from "../session.ts";

interface TailOptions {
  readonly where?: string;
  readonly fields?: string;
  readonly from?: "now" | "start" | number;
  readonly provisional?: boolean;
  readonly limit?: number;
}

export function addTail(program: Command): void {
  const command = program
    .command("tail")
    .summary("print rows as they are pushed")
    .description("Prints rows as they are pushed, with corrections and gaps told as such; ends with Ctrl-C or --limit.")
    .argument("<dataset>")
    .option("--where <condition>", "only rows for which it holds")
    .option("--fields <names>", "only these, with commas between")
    .option("--from <where>", "start, now, or a position to go on from (default now)", fromOption)
    .option("--provisional", "also the changing rows of windows that are still open")
    .option("--limit <rows>", "end after so many", whole("--limit", 1));
  example(command, `tail ticks --where "symbol = 'EURUSD'" --fields time,bid,ask --limit 20`);
  act<TailOptions>(command, (context, given, [dataset]) =>
    withSession(context.options, async (session) => {
      if (session.server === "own" && (given.from ?? "now") === "now") {
        context.output.note(
          "no server runs on this folder: nothing new will come; see what is stored with --from start",
        );
      }
      const client = await session.client();
      const { where, fields, from, provisional } = given;
      const stream = client.dataset(dataset!).subscribe({
        ...(where !== undefined && { where }),
        ...(fields !== undefined && { fields: listOption(fields) }),
        ...(from !== undefined && { from }),
        ...(provisional !== undefined && { provisional }),
      });
      const release = onInterrupt(() => stream.close());
      try {
        await stream.started;
        await print(context, stream, given.limit ?? Number.POSITIVE_INFINITY);
      } finally {
        release();
        stream.close();
      }
    }),
  );
}

function fromOption(text: string): "now" | "start" | number {
  if (text === "now" || text === "start") return text;
  if (!/^\d{1,16}$/.test(text)) throw usage("--from is start, now or a position");
  return Number(text);
}

async function print({ output }: Context, stream: Stream<AnyRow>, limit: number): Promise<void> {
  const lines = new Lines();
  let printed = 0;
  for await (const event of stream) {
    if (event.kind === "rows" || event.kind === "provisional") {
      const rows = plainRows(event.layout, event.batch).slice(0, limit - printed);
      const mark = markOf(event);
      for (const row of rows) {
        output.element({ ...mark, row }, () => lines.row(event.layout, row, mark));
      }
      printed += rows.length;
      if (event.kind === "rows" && event.conflated) {
        output.element({ conflated: event.conflated }, () => `… ${event.conflated} older rows were left out`);
      }
    } else output.element(event, () => noticeOf(event));
    if (printed >= limit) return;
  }
}

interface Mark {
  readonly position?: number;
  readonly asOf?: number;
  readonly operation: string;
  readonly reason?: string;
}

function markOf(event: Extract<StreamEvent<AnyRow>, { batch: unknown }>): Mark {
  if (event.kind === "provisional") return { asOf: event.asOf, operation: "provisional" };
  const { position, operation, cause } = event;
  const reason = cause?.kind === "flow" ? cause.corrections?.[0]?.reason : undefined;
  return { position, operation, ...(reason !== undefined && { reason }) };
}

function noticeOf(event: Exclude<StreamEvent<AnyRow>, { batch: unknown }>): string {
  if (event.kind === "gap") return `! gap: rows of positions ${event.after + 1} to ${event.through} (${event.cause})`;
  return `! cut at position ${event.cursor} (${event.cause}); it goes on from there`;
}

const WORDS: Readonly<Record<string, string>> = { append: "", correct: "corrects", provisional: "open" };

/** Rows under a head, in columns that grow with what they hold. */
class Lines {
  #widths: number[] = [];
  #head = "";

  row(layout: Layout, row: PlainRow, { position, asOf, operation }: Mark): string {
    const cells = layout.map(({ name }) => printable(cellText(row[name]) ?? "–"));
    const line = this.#aligned(layout, [String(position ?? asOf ?? ""), WORDS[operation] ?? operation, ...cells]);
    const names = layout.map(({ name }) => name);
    const head = names.join(" ");
    if (head === this.#head) return line;
    this.#head = head;
    return `${this.#aligned(layout, ["position", "", ...names])}\n${this.#aligned(layout, [String(position ?? asOf ?? ""), WORDS[operation] ?? operation, ...cells])}`;
  }
  #aligned(layout: Layout, cells: readonly string[]): string {
    return cells
      .map((cell, index) => {
        const field = layout[index - 2];
        const least = index === 0 ? 8 : index === 1 ? 0 : field?.type === "instant" ? 24 : 8;
        this.#widths[index] = Math.max(this.#widths[index] ?? least, cell.length);
        const right = index === 0 || (field !== undefined && isNumeric(field.type));
        return right ? cell.padStart(this.#widths[index]!) : cell.padEnd(this.#widths[index]!);
      })
      .join("  ")
      .trimEnd();
  }
}
