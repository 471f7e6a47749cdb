/** `verify` and `rebuild`: whether the log is what it was, and the views what the log says; and how to mend a view. */
import type { Command } from "commander";
import type { PoolVerification } from "../../pool/index.ts";
import { act, example } from "../command.ts";
import { facts, table } from "../output.ts";
import { Ended, exitCodes } from "../problem.ts";
import { createProgress } from "../progress.ts";
import { withSession } from "../session.ts";

type VerifyLine = { readonly done: number; readonly of: number } | { readonly result: PoolVerification };

export function addVerify(program: Command): void {
  const command = program
    .command("verify")
    .summary("check every hash of the log and every view against it")
    .description(
      "Reads the whole log back from disk and recomputes its hash chain; compares the rows of every view with those of " +
        "the log; adds up the accounts. Exit code 3 where anything differs.",
    );
  example(command, "verify");
  act(command, ({ options, output }) =>
    withSession(options, async ({ api }) => {
      const progress = createProgress(output, "commits checked");
      let result: PoolVerification | undefined;
      for await (const line of api.lines<VerifyLine>("/v1/verify")) {
        if ("result" in line) result = line.result;
        else progress.show(line.done, line.of);
      }
      progress.end();
      output.result(result, () => verificationText(result!));
      if (result?.ok !== true) throw new Ended(exitCodes.fault);
    }),
  );
}

function verificationText({ ok, log, views, unaccounted }: PoolVerification): string {
  const { commits, head, fault } = log;
  return [
    facts([
      [
        "hash chain",
        fault ? `does not hold at position ${fault.position}` : `holds over ${commits} commits to position ${head}`,
      ],
      ["unaccounted", unaccounted],
    ]),
    "",
    table(views, [
      { title: "view", value: ({ view }) => view },
      { title: "dataset", value: ({ dataset }) => dataset },
      { title: "at", value: ({ position }) => position, right: true },
      { title: "rows", value: ({ rows }) => rows, right: true },
      { title: "in the log", value: ({ expectedRows }) => expectedRows, right: true },
      { title: "fingerprint", value: ({ hash }) => hash },
      { title: "equal", value: ({ equal }) => (equal ? "yes" : "NO") },
    ]),
    "",
    ok ? "everything agrees" : "FAULT: see above; a view that differs is mended by 'rebuild', a log by a restore",
  ].join("\n");
}

export function addRebuild(program: Command): void {
  const command = program
    .command("rebuild")
    .summary("drop a view and fill it again from the log")
    .description("Drops a view and fills it again from the log; rows stay readable from the log meanwhile.")
    .argument("<view>", "its name, such as series");
  example(command, "rebuild series");
  act(command, ({ options, output }, _given, [view]) =>
    withSession(options, async ({ api }) => {
      const answer = await api.post<{ position: number }>(`/v1/views/${encodeURIComponent(view!)}/rebuild`);
      output.result(answer, () => `view ${view} was filled again up to position ${answer.position}`);
    }),
  );
}
