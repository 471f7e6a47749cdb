/** The declared pool a command works with. */
import { existsSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { fail, MillpondError } from "../base/index.ts";
import type { PoolDefinition } from "../pool/index.ts";

/** @throws `pool_module_invalid`, and what the declaration itself is refused with */
export async function loadPool(module: string | undefined): Promise<PoolDefinition> {
  if (module === undefined) return (await import("../../pools/market/index.ts")).default;
  const invalid = (problem: string, cause?: unknown): MillpondError =>
    fail("pool_module_invalid", { module, problem }, cause);
  const file = path.resolve(module);
  let loaded: { readonly default?: unknown };
  try {
    loaded = (await import(existsSync(file) ? pathToFileURL(file).href : module)) as typeof loaded;
  } catch (error) {
    if (error instanceof MillpondError) throw error;
    throw invalid(error instanceof Error ? (error.message.split("\n")[0] ?? "") : "it cannot be loaded", error);
  }
  const pool = loaded.default as Partial<PoolDefinition> | undefined;
  const whole =
    typeof pool?.name === "string" && [pool.datasets, pool.feeds, pool.flows].every((list) => Array.isArray(list));
  if (!whole) throw invalid("its default export is not what definePool gives");
  return pool as PoolDefinition;
}
