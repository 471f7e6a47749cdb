/** One folder, one pool: a second one is refused and told who is there, also while the first one sleeps. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { market } from "../../pools/market/index.ts";
import { createEnvironment, MillpondError } from "../../src/base/index.ts";
import { openPool } from "../../src/pool/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { PoolProcess, startPool } from "../support/pool-process.ts";

const tick = (second: number) => ({ symbol: "EURUSD", time: 1_770_000_000_000_000 + second * 1e6, bid: 1, ask: 1 });

it("refuses a second pool on a folder and names the holder", async (test) => {
  const folder = await temporaryFolder(test, "instances");
  const first = await startPool(folder);
  const { pid } = first.process;
  const isRefused = (error: unknown): boolean =>
    error instanceof Error && error.message.startsWith("log_locked") && error.message.includes(`process ${pid}`);

  const second = new PoolProcess();
  await assert.rejects(second.open(folder), isRefused, "another process is refused");
  assert.equal(await second.ended, 1);
  await assert.rejects(
    openPool(market, { folder, environment: createEnvironment() }),
    (error) => error instanceof MillpondError && error.code === "log_locked" && error.details.holder === String(pid),
    "this process is refused",
  );
  const appended = await first.http<{ account: { accepted: number } }>("POST", "/v1/datasets/ticks/rows", [tick(1)]);
  assert.equal(appended.body.account.accepted, 1, "the first one never noticed");

  first.process.kill("SIGSTOP");
  const third = new PoolProcess();
  await assert.rejects(third.open(folder), isRefused, "a sleeping holder is a holder");
  first.process.kill("SIGCONT");
  const again = await first.http<{ account: { accepted: number } }>("POST", "/v1/datasets/ticks/rows", [tick(2)]);
  assert.equal(again.body.account.accepted, 1);

  await first.kill();
  const fourth = await startPool(folder);
  const { body } = await fourth.http<{ rows: unknown[] }>("POST", "/v1/datasets/ticks/query", {});
  assert.equal(body.rows.length, 2, "the lock died with its holder, and what it wrote is there");
  assert.equal(await fourth.stop(), 0);
});
