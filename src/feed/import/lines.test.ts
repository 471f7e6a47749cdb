import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type BadLine, readLines } from "./lines.ts";

async function linesOf(chunks: readonly Buffer[], lineBytes: number): Promise<[number, string | BadLine][]> {
  const given = async function* (): AsyncGenerator<Buffer> {
    yield* chunks;
  };
  const found: [number, string | BadLine][] = [];
  for await (const { firstLine, lines } of readLines(given(), "utf-8", lineBytes))
    lines.forEach((line, index) => {
      found.push([firstLine + index, line]);
    });
  return found;
}

test("the same lines with the same numbers, wherever the chunks are cut", async () => {
  const bytes = fc.array(fc.constantFrom(0x61, 0xc3, 0xa4, 0x0a, 0x0d, 0x0a, 0xff), { maxLength: 60 });
  const cuts = fc.array(fc.nat({ max: 60 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(bytes, cuts, async (given, places) => {
      const whole = Buffer.from(given);
      const sorted = [0, ...places.filter((place) => place < whole.length).sort((a, b) => a - b), whole.length];
      const chunks = sorted.slice(1).map((end, index) => whole.subarray(sorted[index], end));
      assert.deepEqual(await linesOf(chunks, 100), await linesOf([whole], 100));
    }),
    { numRuns: Number(process.env.MILLPOND_RUNS ?? 200) },
  );
});

test("a line without an end is dropped as it comes, and the next one is read", async () => {
  const chunks = Array.from({ length: 1_000 }, () => Buffer.alloc(1_000, 0x61));
  const found = await linesOf([Buffer.from("a\n"), ...chunks, Buffer.from("\nb")], 10_000);
  assert.deepEqual(
    found.map(([number, line]) => [number, typeof line === "string" ? line : line.problem]),
    [
      [1, "a"],
      [2, "the line is too long"],
      [3, "b"],
    ],
  );
});
