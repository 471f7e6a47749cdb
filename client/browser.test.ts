import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";

describe("client for browsers", () => {
  it("imports nothing that only Node has", async () => {
    const seen = new Set<string>();
    const waiting = [new URL("./index.ts", import.meta.url).href];
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      const text = await readFile(new URL(file), "utf8");
      for (const [, clause, target] of text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"/gm)) {
        if (clause !== undefined) continue;
        assert.ok(target!.startsWith("."), `${file} imports ${target}`);
        waiting.push(new URL(target!, file).href);
      }
    }
    assert.ok(seen.size > 15);
  });
});
