/** Imports point only downward, and no room reaches into another's inside. Only `cli` uses the SDK, as programs do. */
import type { Finding, SourceFile, Tree } from "./tree.ts";

/** From the bottom up. Rooms of one tier do not import each other. */
const TIERS: readonly (readonly string[])[] = [
  ["base"],
  ["batch"],
  ["expression"],
  ["contract"],
  ["log", "guard"],
  ["gate", "view", "flow", "subscribe"],
  ["query"],
  ["feed", "agent", "operate"],
  ["engine"],
  ["serve"],
  ["pool"],
  ["cli"],
];

const tierOf = new Map(TIERS.flatMap((rooms, tier) => rooms.map((room) => [room, tier] as const)));

/** `src/gate/x.ts` → `gate`, `src/engine/sqlite/x.ts` → `engine/sqlite`; undefined outside `src`. */
function roomOf(file: string): string | undefined {
  const [top, room, inner, ...rest] = file.split("/");
  if (top !== "src" || room === undefined || inner === undefined) return undefined;
  return room === "engine" && rest.length > 0 ? `engine/${inner}` : room;
}

export function checkTiers(tree: Tree): Finding[] {
  return tree.files.filter((file) => !file.test).flatMap((file) => [...crossings(file)]);
}

function* crossings(file: SourceFile): Iterable<Finding> {
  const room = roomOf(file.path);
  const find = (line: number, rule: string, message: string): Finding => ({ file: file.path, line, rule, message });
  if (file.path.startsWith("src/") && (room === undefined || !tierOf.has(room.split("/")[0]!))) {
    yield find(1, "room-unknown", "every file under src lies in a declared room");
    return;
  }
  for (const { target, own, line } of file.imports) {
    if (!own) continue;
    const to = roomOf(target);
    if (to === room) continue;
    if (to === undefined) {
      if (room !== undefined && !(room === "cli" && /^(client|pools|connect)\//.test(target)))
        yield find(line, "outside-src", `${target} is not part of src`);
      continue;
    }
    if (!target.endsWith("/index.ts")) yield find(line, "inside-reach", `import ${to} through its index.ts`);
    if (room === undefined) continue;
    const from = tierOf.get(room.split("/")[0]!)!;
    const below = tierOf.get(to.split("/")[0]!)!;
    if (below >= from) yield find(line, "tier", `${room} must not import ${to}`);
    if (to.startsWith("engine/") && room !== "pool") yield find(line, "engine", "only pool knows engines by name");
  }
}
