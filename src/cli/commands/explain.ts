/** `explain`: the story of a stored row, from its source to its hash, or from the rows it was derived of. */
import type { Command } from "commander";
import type { Layout } from "../../batch/index.ts";
import type { Explanation } from "../../pool/index.ts";
import { accountLine } from "../account.ts";
import { act, example } from "../command.ts";
import { fetchContract, keyOf } from "../contract.ts";
import { instantOption } from "../options.ts";
import { facts, table } from "../output.ts";
import { cellText, columnsOf, plainRow, rowText } from "../rows.ts";
import { withSession } from "../session.ts";

const SHOWN_SOURCES = 5;

export function addExplain(program: Command): void {
  const command = program
    .command("explain")
    .summary("where a row comes from")
    .description(
      "Where a row comes from: feed, session, batch and place; the rules and what they said; the commit and its hash; " +
        "for a derived row the expressions and the rows it was made of.",
    )
    .argument("<dataset>")
    .argument("<key...>", "the key fields in their order")
    .option("--at <time>", "the row of this event time; default the newest", instantOption);
  example(command, "explain candles_1m EURUSD --at 2026-11-20T10:31:00Z");
  act<{ at?: number }>(command, ({ options, output }, { at }, [dataset, ...key]) =>
    withSession(options, async ({ api }) => {
      const { contract } = await fetchContract(api, dataset!);
      const path = keyOf(contract, key).map((part) => encodeURIComponent(String(part)));
      const story = await api.get<Explanation>(
        `/v1/datasets/${encodeURIComponent(dataset!)}/explain/${path.join("/")}`,
        { at },
      );
      const source = story.derivation && (await fetchContract(api, story.derivation.source)).contract.layout;
      output.result(plainStory(story, contract.layout, source), () => storyText(story, contract.layout, source));
    }),
  );
}

/** The same facts with instants in words. */
function plainStory(story: Explanation, layout: Layout, source: Layout | undefined) {
  const plain = (rows: Explanation["superseded"], of: Layout) => rows.map((row) => plainRow(of, row));
  const { row, superseded, derivation } = story;
  return {
    ...story,
    row: plainRow(layout, row),
    superseded: plain(superseded, layout),
    ...(derivation && source && { derivation: { ...derivation, rows: plain(derivation.rows, source) } }),
  };
}

function storyText(story: Explanation, layout: Layout, source: Layout | undefined): string {
  const { dataset, row, superseded } = story;
  const plain = plainRow(layout, row);
  const parts = [
    `The row of ${dataset}`,
    indented(facts(layout.map(({ name }) => [name, cellText(plain[name])]))),
    "came from",
    indented(facts(originOf(story))),
    "stands in",
    indented(facts(placeOf(story))),
  ];
  if (story.rules.length > 0) parts.push("and was judged", indented(rulesText(story)));
  if (story.derivation && source) parts.push(...derivationText(story.derivation, layout, source));
  if (superseded.length > 0) {
    parts.push(
      "It replaced, oldest first",
      indented(superseded.map((each) => rowText(plainRow(layout, each))).join("\n")),
    );
  }
  return parts.join("\n");
}

const indented = (text: string): string => text.replace(/^/gm, "  ");

type Facts = (readonly [string, string | number | undefined | null])[];

function originOf({ cause, commit, placeInBatch, raw }: Explanation): Facts {
  switch (cause.kind) {
    case "feed":
      return [
        ["feed", cause.feed],
        ["session", cause.session],
        ["batch", `${cause.batch}${placeInBatch === undefined ? "" : `, row ${placeInBatch + 1} as received`}`],
        ["with", accountLine(cause.account)],
        ["sent by", commit.actor],
        ...(raw === undefined ? [] : ([["as received", raw]] as const)),
      ];
    case "flow":
      return [
        ["flow", cause.flow],
        ["which read", `positions ${cause.after + 1} to ${cause.through}`],
      ];
    case "retry":
      return [
        ["a retry", `of ${cause.rows.length} kept rows`],
        ["by", commit.actor],
      ];
    default:
      return [["cause", cause.kind]];
  }
}

const placeOf = ({ position, place, commit, contract }: Explanation): Facts => [
  ["commit", `${position}, row ${place + 1}`],
  ["at", commit.at],
  ["contract", `version ${contract}`],
  ["hash", commit.hash],
  ["chained to", commit.previous],
];

const rulesText = ({ rules }: Explanation): string =>
  table(rules, [
    { title: "rule", value: ({ rule }) => rule },
    { title: "holds", value: ({ holds }) => (holds === null ? "not decidable" : holds ? "yes" : "no") },
    { title: "otherwise", value: ({ otherwise }) => otherwise },
    { title: "says", value: ({ description }) => description },
  ]);

function derivationText(derivation: NonNullable<Explanation["derivation"]>, layout: Layout, source: Layout): string[] {
  const { fields, rows, moreRows } = derivation;
  const named = layout.filter(({ name }) => fields[name] !== undefined);
  const shown = rows.slice(0, SHOWN_SOURCES).map((row) => plainRow(source, row));
  const count = `${rows.length.toLocaleString("en")}${moreRows ? " or more" : ""}`;
  const origin = [
    { title: "position", value: (row: (typeof shown)[number]) => cellText(row._position), right: true },
    { title: "row", value: (row: (typeof shown)[number]) => String(Number(row._place) + 1), right: true },
  ];
  return [
    "Its fields are",
    indented(facts(named.map(({ name }) => [name, fields[name]!.description]))),
    `It was made of ${count} rows of ${derivation.source}${shown.length < rows.length ? `, the first ${shown.length}:` : ":"}`,
    indented(table(shown, [...origin, ...columnsOf(source)], "none that is stored")),
  ];
}
