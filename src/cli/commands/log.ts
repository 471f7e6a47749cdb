/** `log`: the commits themselves. */
import type { Command } from "commander";
import type { Cause } from "../../log/index.ts";
import { accountLine } from "../account.ts";
import { act, example } from "../command.ts";
import { whole } from "../options.ts";
import { table } from "../output.ts";
import { withSession } from "../session.ts";

interface CommitHeader {
  readonly position: number;
  readonly at: string;
  readonly actor: string;
  readonly cause: Cause;
  readonly changes: readonly { readonly dataset: string; readonly operation: string; readonly rows: number }[];
  readonly hash: string;
}

export function addLog(program: Command): void {
  const command = program
    .command("log")
    .summary("headers of commits")
    .description(
      "Headers of commits: who, why, what changed, and the hash. The last ones, or those from a position on.",
    )
    .option("--from <position>", "the first to show", whole("--from", 1))
    .option("--limit <commits>", "how many (default 20)", whole("--limit", 1, 1_000))
    .option("--dataset <name>", "only commits that touch it");
  example(command, "log --from 1 --limit 10");
  interface LogOptions {
    readonly from?: number;
    readonly limit?: number;
    readonly dataset?: string;
  }
  act<LogOptions>(command, ({ options, output }, { from, limit = 20, dataset }) =>
    withSession(options, async ({ api }) => {
      const { position: head } = await api.get<{ position: number }>("/v1/log");
      const after = from === undefined ? Math.max(0, dataset === undefined ? head - limit : 0) : from - 1;
      const answer = await api.get<{ position: number; commits: readonly CommitHeader[] }>("/v1/log/commits", {
        ...{ after, limit, dataset },
      });
      output.result(answer, () =>
        [
          table(
            answer.commits,
            [
              { title: "position", value: ({ position }) => position, right: true },
              { title: "at", value: ({ at }) => at },
              { title: "actor", value: ({ actor }) => actor },
              { title: "why", value: ({ cause }) => causeText(cause) },
              { title: "changes", value: ({ changes }) => changes.map(changeText).join(", ") || null },
              { title: "hash", value: ({ hash }) => `${hash.slice(0, 16)}…` },
            ],
            "no commits here",
          ),
          "",
          `the log ends at position ${answer.position.toLocaleString("en")}`,
        ].join("\n"),
      );
    }),
  );
}

const changeText = ({ dataset, operation, rows }: CommitHeader["changes"][number]): string =>
  `${operation === "correct" ? "~" : "+"}${rows} ${dataset}`;

function causeText(cause: Cause): string {
  switch (cause.kind) {
    case "feed":
      return `${cause.feed} batch ${cause.batch}: ${accountLine(cause.account)}`;
    case "flow":
      return `flow ${cause.flow} from ${cause.after + 1} to ${cause.through}`;
    case "contract":
      return `contract ${cause.dataset} version ${cause.version}`;
    case "session":
      return `${cause.feed} session ${cause.event}`;
    case "retry":
      return `retry of ${cause.rows.length} kept rows`;
    case "loss":
      return `loss accepted: positions ${cause.head + 1} to ${cause.acknowledged}`;
  }
}
