/** A wall clock that jumps, back by an hour and ahead by ten years, between and within batches: the log's order stands. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { market } from "../../pools/market/index.ts";
import { type Clock, createEnvironment, seededRandom, systemClock } from "../../src/base/index.ts";
import { openPool } from "../../src/pool/index.ts";
import { runs, temporaryFolder } from "../support/folder.ts";
import { allRows } from "../support/rows.ts";

const HOUR = 3_600_000_000;
const jumps = [-HOUR, HOUR, -1, 10 * 365 * 24 * HOUR, -10 * 365 * 24 * HOUR, 0];
const start = Date.UTC(2026, 0, 5, 10) * 1000;

it("keeps commits in order and ids apart while the clock jumps, also over a restart", async (test) => {
  const folder = await temporaryFolder(test, "clock");
  const random = seededRandom(23);
  let offset = 0;
  // One reading in five jumps: within a batch as well as between two.
  const clock: Clock = {
    now: () => {
      if (random.next() < 0.2) offset = jumps[Math.floor(random.next() * jumps.length)]!;
      return systemClock.now() + offset;
    },
    monotonicMs: () => systemClock.monotonicMs(),
  };
  const environment = createEnvironment({ clock });
  let made = 0;
  const quarantined = new Set<string>();
  for (let life = 0; life < 3; life++) {
    const pool = await openPool(market, { folder, environment });
    for (let batch = 0; batch < runs(20); batch++) {
      const rows = Array.from({ length: 5 }, (_, place) => {
        made += 1;
        return { symbol: "EURUSD", time: start + made * 1000, bid: place === 2 ? 2 : 1, ask: 1.1, volume: made };
      });
      const { account, rejections } = await pool.submit({
        ...{ dataset: "ticks", feed: "api", session: `life-${life}`, batch: batch + 1, actor: "user:test" },
        incoming: { kind: "rows", rows },
      });
      assert.deepEqual([account.accepted, account.quarantined], [4, 1]);
      for (const { quarantineId } of rejections) quarantined.add(quarantineId!);
    }
    const commits = await pool.door.read(0, { commits: 10_000 });
    commits.forEach(({ position, at }, place) => {
      assert.equal(position, place + 1);
      assert.ok(at >= (commits[place - 1]?.at ?? 0), `commit ${position} is not before the one before it`);
    });
    assert.equal(quarantined.size, made / 5, "no two kept rows have one id");
    assert.equal((await allRows(pool, "ticks")).length, (made / 5) * 4);
    assert.ok((await pool.verify()).ok);
    await pool.close();
  }
});
