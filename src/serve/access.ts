/**
 * Who may come in. What must hold: a token never stands in a URL or a log line; a ticket works once and for a short
 * time; a page of another site can neither read nor write here, also not through a host name that points to loopback.
 */
import { isIP } from "node:net";
import { type Environment, fail } from "../base/index.ts";
import type { Authenticator, Principal } from "./types.ts";

export type Scope = Principal["scopes"][number];

const TICKET_MS = 30_000;
const MOST_TICKETS = 10_000;

export interface Access {
  /** @throws `sign_in_required` */
  byHeader(authorization: string | undefined): Principal;
  /** Uses the ticket up. @throws `sign_in_required` */
  byTicket(ticket: string): Principal;
  /** @throws `sign_in_required` */
  byToken(token: string): Principal;
  issueTicket(principal: Principal): { readonly ticket: string; readonly expiresInMs: number };
}

export function createAccess(authenticator: Authenticator, environment: Environment): Access {
  const tickets = new Map<string, { principal: Principal; expiresMs: number }>();
  const { clock, random } = environment;
  const byToken = (token: string): Principal => {
    const principal = authenticator.authenticate(token);
    if (principal === undefined) throw fail("sign_in_required");
    return principal;
  };
  return {
    byToken,
    byHeader(authorization) {
      const match = /^Bearer ([\x21-\x7e]{1,4096})$/i.exec(authorization ?? "");
      if (match === null) throw fail("sign_in_required");
      return byToken(match[1]!);
    },
    byTicket(ticket) {
      const known = tickets.get(ticket);
      tickets.delete(ticket);
      if (known === undefined || known.expiresMs < clock.monotonicMs()) throw fail("sign_in_required");
      return known.principal;
    },
    issueTicket(principal) {
      const now = clock.monotonicMs();
      for (const [ticket, { expiresMs }] of tickets) {
        if (expiresMs >= now && tickets.size < MOST_TICKETS) break;
        tickets.delete(ticket);
      }
      const ticket = Buffer.from(random.bytes(32)).toString("base64url");
      tickets.set(ticket, { principal, expiresMs: now + TICKET_MS });
      return { ticket, expiresInMs: TICKET_MS };
    },
  };
}

/** @throws `scope_missing` */
export function requireScope(principal: Principal, scope: Scope): void {
  if (!principal.scopes.includes(scope)) throw fail("scope_missing", { scope });
}

/** Datasets of Millpond itself hold raw rows and what was refused: they are read by administrators. */
export const readScope = (dataset: string): Scope => (dataset.startsWith("_") ? "admin" : "read");

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  if (name === "localhost" || name === "::1") return true;
  return isIP(name) === 4 && name.startsWith("127.");
}

export interface Doorway {
  readonly loopback: boolean;
  /** Origins (`https://charts.example`) whose pages may connect, beside our own. */
  readonly origins: readonly string[];
  /** Host names by which we may be called, beside the loopback names or, on a public bind, any. */
  readonly hosts: readonly string[];
}

/** @throws `origin_refused` */
export function checkDoorway(doorway: Doorway, host: string | undefined, origin: string | undefined): void {
  const name = hostName(host);
  const known = doorway.hosts.includes(name) || (doorway.loopback ? isLoopback(name) : doorway.hosts.length === 0);
  if (!known) throw fail("origin_refused");
  if (origin === undefined) return;
  const own = /^https?:\/\/(.+)$/.exec(origin)?.[1] === host;
  if (!own && !doorway.origins.includes(origin)) throw fail("origin_refused");
}

const hostName = (host = ""): string => host.replace(/:\d+$/, "");
