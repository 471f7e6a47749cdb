/** No import cycles between files; imports of types alone do not count. */
import type { Finding, Tree } from "./tree.ts";

export function checkCycles(tree: Tree): Finding[] {
  const done = new Set<string>();
  const findings: Finding[] = [];
  const visit = (name: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(name);
    if (seenAt >= 0) {
      const cycle = [...trail.slice(seenAt), name];
      findings.push({ file: name, line: 1, rule: "cycle", message: cycle.join(" → ") });
      return;
    }
    if (done.has(name)) return;
    for (const { target, own, typeOnly } of tree.byPath.get(name)?.imports ?? []) {
      if (own && !typeOnly && tree.byPath.has(target)) visit(target, [...trail, name]);
    }
    done.add(name);
  };
  for (const { path } of tree.files) visit(path, []);
  return findings;
}
