/**
 * The documentation is held against the code: every block that is marked to run is run and must print what the page
 * says; what pages name must exist. With `MILLPOND_DOCS=write` the printed output replaces what does not agree.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import {
  deadLinks,
  declaredCommands,
  type Finding,
  servedPaths,
  unknownCodes,
  unknownCommands,
  unknownPaths,
} from "./docs/claims.ts";
import { blocksOf, type Page, readPages, root } from "./docs/pages.ts";
import { fits, isScript, layOut, type Outcome, runPage, runs, writeFiles } from "./docs/run.ts";

const pages = readPages();
const none = (findings: readonly Finding[]): void => assert.equal(findings.join("\n"), "");
const pageOf = (text: string): Page => ({ name: "docs/made-up.md", text, blocks: blocksOf(text) });

describe("what pages name exists", () => {
  test("links", () => none(deadLinks(pages)));
  test("error codes", () => none(unknownCodes(pages)));
  test("commands and their options", async () => none(unknownCommands(pages, await declaredCommands())));
  test("HTTP paths", async () => none(unknownPaths(pages, await servedPaths())));

  test("what does not exist is found", async () => {
    const page = pageOf(
      "[a](b.md) `log_lost` `millpond sing` `GET /v1/songs`\n```sh\nmillpond query ticks --loud\n```\n",
    );
    assert.equal(deadLinks([page]).length, 1);
    assert.equal(unknownCodes([page]).length, 1);
    assert.equal(unknownCommands([page], await declaredCommands()).length, 2);
    assert.equal(unknownPaths([page], [/^\/v1\/datasets$/]).length, 1);
  });
});

test("an output fits what a page says, with … for anything", () => {
  assert.ok(fits("a … c\n…\nd", "a b c\nx\ny\nd\n"));
  assert.ok(fits("a\n…\nd", "a\nd"));
  assert.ok(!fits("a …\nd", "a b\nc\nd"));
  assert.ok(!fits("a.c", "abc"));
});

describe("pages do what they say", { concurrency: 2 }, () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "millpond-docs-"));
    for (const page of pages.filter(runs)) {
      layOut(folderOf(page));
      writeFiles(page, folderOf(page));
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));
  const folderOf = (page: Page): string => path.join(folder, page.name.replaceAll(/[/.]/g, "-"));

  test("TypeScript of pages passes the type checker", () => {
    const options = {
      extends: path.join(root, "tsconfig.json"),
      compilerOptions: { typeRoots: [path.join(root, "node_modules", "@types")], noUnusedLocals: false },
      include: ["*/*.ts"],
      exclude: ["*/node_modules"],
    };
    const file = path.join(folder, "tsconfig.json");
    writeFileSync(file, JSON.stringify(options));
    const { stdout } = spawnSync(path.join(root, "node_modules", ".bin", "tsc"), ["-p", file], { encoding: "utf8" });
    // Errors in the sources are another test's business.
    const own = stdout.split("\n").filter((line) => /docs-.*line-\d+\.ts|-md\//.test(line));
    assert.equal(own.join("\n"), "");
  });

  const hasCurl = spawnSync("curl", ["--version"]).status === 0;
  for (const page of pages.filter(runs)) {
    const needsCurl = page.blocks.some(({ text }) => text.includes("curl "));
    test(page.name, { skip: needsCurl && !hasCurl ? "curl is not installed" : false }, async () => {
      const outcomes = await runPage(page, folderOf(page));
      if (process.env.MILLPOND_DOCS === "write") rewrite(page, outcomes);
      const problems = outcomes.filter(({ problem }) => problem !== undefined);
      const told = problems.map(({ block, problem }) => `${page.name}:${block.line} ${problem}`);
      assert.equal(told.join("\n\n"), "");
    });
  }
});

test("every script of a page is run or is a file that others use", () => {
  const idle = pages.flatMap((page) =>
    page.blocks
      .filter((block) => block.language === "ts" && !isScript(block) && runs(page))
      .map(({ line }) => `${page.name}:${line}`),
  );
  assert.deepEqual(idle, []);
});

function rewrite({ name }: Page, outcomes: readonly Outcome[]): void {
  const file = path.join(root, name);
  const lines = readFileSync(file, "utf8").split("\n");
  for (const { expected, output, problem } of outcomes.toReversed()) {
    if (expected === undefined || problem === undefined) continue;
    const length =
      expected.text === "" ? lines.indexOf("```", expected.line) - expected.line : expected.text.split("\n").length;
    const printed = output.replace(/\n+$/, "").split("\n");
    lines.splice(expected.line, length, ...printed.map((line) => line.trimEnd()));
  }
  writeFileSync(file, lines.join("\n"));
}
