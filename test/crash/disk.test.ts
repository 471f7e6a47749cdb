/** Failing syncs and full disks: runs `disk.faults.ts` in a process under the fault shim. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { promisify } from "node:util";
import { buildFaultShim, faultEnvironment } from "../../testing/faults/shim.ts";

it("keeps its promises on a failing disk", async (test) => {
  const folder = await mkdtemp(join(tmpdir(), "millpond-disk-"));
  try {
    const shim = await buildFaultShim(folder);
    if ("reason" in shim) return test.skip(shim.reason);
    const root = join(folder, "root");
    await mkdir(root);
    const env = await faultEnvironment({ library: shim.library, root, control: join(folder, "control") });
    delete env.NODE_TEST_CONTEXT;
    const program = new URL("./disk.faults.ts", import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(process.execPath, [program], { env, timeout: 120_000 }).catch(
      (error: unknown) => {
        const { stdout: output, stderr } = error as { stdout: string; stderr: string };
        assert.fail(`under the shim:\n${output}\n${stderr}`);
      },
    );
    const passed = Number(/^# pass (\d+)|^ℹ pass (\d+)/m.exec(stdout)?.slice(1).find(Boolean));
    assert.ok(passed >= 7, `only ${passed} tests ran under the shim`);
    test.diagnostic(`${passed} tests passed under the shim`);
  } finally {
    await rm(folder, { recursive: true });
  }
});
