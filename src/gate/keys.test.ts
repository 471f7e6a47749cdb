import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { boolean, float, instant, integer, optional, rule, series, text } from "../contract/index.ts";
import { MemorySources, sender } from "./testing.ts";

describe("keys", () => {
  test("keys of any type and number of fields are told apart", async () => {
    const contract = series("meters", {
      fields: { site: text(), meter: integer(), live: boolean(), time: instant(), value: float() },
      key: ["site", "meter", "live"],
      time: "time",
      rules: (t) => [rule("rising", t.value.change().gte(0))],
    });
    const sources = new MemorySources(contract);
    const row = (site: string, meter: number, live: boolean, value: number) => ({
      site,
      meter,
      live,
      time: value,
      value,
    });
    const gate = sources.gate();
    const send = sender(gate, "meters");
    const keys = ["a", "b"].flatMap((site) =>
      [1, 2].flatMap((meter) => [true, false].map((live) => [site, meter, live] as const)),
    );
    const first = keys.map(([site, meter, live], index) => row(site, meter, live, 100 - index));
    assert.equal((await send(first)).account.accepted, 8);
    const second = keys.map(([site, meter, live]) => row(site, meter, live, 101));
    assert.equal((await send([...second, ...first])).account.duplicate, 8);
    assert.equal(gate.figures().datasets[0]!.keys, 8);
    const third = keys.map(([site, meter, live], index) => ({
      ...row(site, meter, live, 101 - (index % 2)),
      time: 200,
    }));
    assert.equal((await send(third)).account.quarantined, 4);
  });

  test("the previous row is that of the same key, of any type, null or not, also after a start", async () => {
    const contract = series("doors", {
      fields: {
        door: text(),
        time: instant(),
        open: optional(boolean()),
        by: optional(text()),
        count: optional(float()),
      },
      key: ["door"],
      time: "time",
      rules: (t) => [
        rule("toggles", t.open.ne(t.open.previous())),
        rule("another", t.by.ne(t.by.previous())),
        rule("counts", t.count.change().eq(1)),
      ],
    });
    const sources = new MemorySources(contract);
    let time = 0;
    const row = (open: boolean | null, by: string | null, count: number | null, door = "a") => {
      time += 1;
      return { door, time, open, by, count };
    };
    const send = sender(sources.gate(), "doors", "one");
    const { rejections } = await send([
      row(true, "ann", 1),
      row(true, "bob", 2),
      row(false, "ann", 2),
      row(false, "bob", 5),
      row(true, null, 7, "b"),
      row(false, "bob", 2),
      row(null, null, null),
      row(false, "bob", 9),
      row(true, "bob", 10),
    ]);
    assert.deepEqual(
      rejections.map(({ place, rule }) => [place, rule]),
      [
        [1, "toggles"],
        [2, "another"],
        [3, "counts"],
        [8, "another"],
      ],
    );
    const after = sender(sources.gate(), "doors", "two");
    const again = await after([
      row(false, "eve", 10),
      row(null, null, 8, "b"),
      row(true, "eve", 10),
      row(true, "joe", 10),
    ]);
    assert.deepEqual(
      again.rejections.map(({ place, rule }) => [place, rule]),
      [
        [0, "toggles"],
        [3, "toggles"],
      ],
    );
    assert.equal(again.account.accepted, 2);
  });

  test("thousands of new keys in one batch find room", async () => {
    const contract = series("readings", { fields: { id: integer(), time: instant() }, key: ["id"], time: "time" });
    const sources = new MemorySources(contract);
    const send = sender(sources.gate(), "readings");
    const rows = Array.from({ length: 5_000 }, (_, id) => ({ id, time: 1 }));
    assert.equal((await send(rows)).account.accepted, 5_000);
    assert.equal((await send(rows.slice(100))).account.duplicate, 4_900);
  });
});
