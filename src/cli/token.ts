/**
 * The token a command signs in with: of the file that was named, or of the data folder. Read here and not by the room
 * that writes the file, because that one brings every engine along, and most commands only ask a server.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fail } from "../base/index.ts";
import type { GlobalOptions } from "./options.ts";

interface Entry {
  readonly token: string;
  readonly scopes: readonly string[];
}

/** @throws `sign_in_required` where the folder has no tokens, `tokens_unreadable` */
export function tokenOf({ folder, tokenFile }: GlobalOptions): string {
  const file = tokenFile ?? path.join(folder, "tokens.json");
  if (tokenFile === undefined && !existsSync(file)) throw fail("sign_in_required");
  try {
    const text = readFileSync(file, "utf8").trim();
    return text.startsWith("{") ? adminOf(JSON.parse(text) as { tokens: readonly Entry[] }) : text;
  } catch (error) {
    throw fail("tokens_unreadable", { file: path.basename(file) }, error);
  }
}

const adminOf = ({ tokens }: { tokens: readonly Entry[] }): string =>
  (tokens.find(({ scopes }) => scopes.includes("admin")) ?? tokens[0]!).token;
