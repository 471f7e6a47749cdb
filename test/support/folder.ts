/** A folder for one test, gone when the test is over, with every pool process that is still running. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { systemTimers } from "../../src/base/index.ts";
import { killPools } from "./pool-process.ts";

export async function temporaryFolder(test: TestContext, name: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), `millpond-${name}-`));
  test.after(async () => {
    await killPools();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return folder;
}

/** How often a random test runs. */
export const runs = (otherwise: number): number => Number(process.env.MILLPOND_RUNS ?? otherwise);

/** Asks again and again until a condition holds; says what was waited for where it does not in time. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await systemTimers.delay(20);
  }
}
