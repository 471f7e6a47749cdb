/**
 * The tokens of a data folder: made on first start, kept in a file that only its owner may read. Principals and
 * sessions with a life of their own come with the guard; until then a token names one principal and its scopes.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Environment, fail } from "../base/index.ts";
import type { Authenticator, Principal } from "../serve/index.ts";

interface TokenEntry {
  readonly token: string;
  readonly id: string;
  readonly scopes: Principal["scopes"];
}

const FIRST: readonly Omit<TokenEntry, "token">[] = [
  { id: "user:admin", scopes: ["read", "write", "admin"] },
  { id: "service:reader", scopes: ["read"] },
  { id: "feed:bridge", scopes: ["write"] },
];

export const tokensFile = (folder: string): string => path.join(folder, "tokens.json");

/** Reads the folder's tokens, making the file on the first start. @throws `tokens_unreadable` */
export function openTokens(folder: string, environment: Environment): readonly TokenEntry[] {
  const file = tokensFile(folder);
  if (!existsSync(file)) {
    const entries = FIRST.map((entry) => ({ token: newToken(environment), ...entry }));
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(file, `${JSON.stringify({ tokens: entries }, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    return entries;
  }
  return readTokens(file);
}

/** @throws `tokens_unreadable` where the file is not there or not in the form that `openTokens` writes. */
export function readTokens(file: string): readonly TokenEntry[] {
  try {
    const { tokens } = JSON.parse(readFileSync(file, "utf8")) as { tokens: TokenEntry[] };
    const wellFormed = tokens.every(
      ({ token, id, scopes }) => token.length >= 32 && id !== "" && Array.isArray(scopes),
    );
    if (tokens.length === 0 || !wellFormed) throw new TypeError("entries are incomplete");
    return tokens;
  } catch (error) {
    throw fail("tokens_unreadable", { file: path.basename(file) }, error);
  }
}

/** Looks tokens up by their hash, comparing every entry, so that time tells nothing about a near miss. */
export function createTokenAuthenticator(entries: readonly TokenEntry[]): Authenticator {
  const known = entries.map(({ token, id, scopes }) => ({ digest: digestOf(token), principal: { id, scopes } }));
  return {
    authenticate(token) {
      const digest = digestOf(token);
      let found: Principal | undefined;
      for (const entry of known) if (timingSafeEqual(entry.digest, digest)) found = entry.principal;
      return found;
    },
  };
}

const digestOf = (token: string): Buffer => createHash("sha256").update(token).digest();

const newToken = (environment: Environment): string =>
  `mp_${Buffer.from(environment.random.bytes(24)).toString("base64url")}`;
