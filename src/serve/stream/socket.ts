/** The WebSocket door: the upgrade with its checks, the set of connections, their heartbeat and their end. */
import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { asMillpondError, fail, type MillpondError } from "../../base/index.ts";
import { PROTOCOL } from "../../subscribe/index.ts";
import { checkDoorway, type Doorway } from "../access.ts";
import type { Principal } from "../types.ts";
import { Connection, type ConnectionContext } from "./connection.ts";
import { Flusher, Outlet } from "./outlet.ts";

export interface StreamDoor {
  connections(): number;
  /** Answers what is under way, then closes every connection; those that do not follow are dropped. */
  close(graceMs: number): Promise<void>;
}

const PATH = "/v1/stream";

export function createStreamDoor(server: HttpServer, context: ConnectionContext, doorway: Doorway): StreamDoor {
  const { limits, environment } = context;
  const connections = new Set<Connection>();
  const flusher = new Flusher();
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: limits.messageBytes,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });

  const accept = (request: IncomingMessage, duplex: Duplex, head: Buffer, principal: Principal | undefined): void => {
    const tcp = duplex as Socket;
    tcp.setNoDelay(true);
    sockets.handleUpgrade(request, tcp, head, (socket) => {
      const connection = new Connection(context, socket, new Outlet(tcp, flusher, environment.timers), principal);
      connections.add(connection);
      socket.on("close", () => connections.delete(connection));
      guardHello(tcp, connection, limits.helloBytes);
    });
  };
  const onUpgrade = (request: IncomingMessage, duplex: Duplex, head: Buffer): void => {
    try {
      const url = new URL(request.url ?? "/", "http://localhost");
      if (url.pathname !== PATH) throw fail("route_unknown");
      checkDoorway(doorway, request.headers.host, request.headers.origin);
      if (connections.size >= limits.connections) throw fail("overloaded", { limit: limits.connections });
      accept(request, duplex, head, principalOf(request, url, context));
    } catch (error) {
      refuseUpgrade(duplex, statusOf(asMillpondError(error)));
    }
  };
  server.on("upgrade", onUpgrade);

  let stopBeat: (() => void) | undefined;
  const beat = (): void => {
    stopBeat = environment.timers.after(limits.heartbeatMs, () => {
      for (const socket of sockets.clients) if (socket.readyState === socket.OPEN) socket.ping();
      for (const connection of connections) connection.beat();
      beat();
    });
  };
  beat();

  return {
    connections: () => connections.size,
    async close(graceMs) {
      server.off("upgrade", onUpgrade);
      stopBeat?.();
      const all = [...connections];
      const stop = new AbortController();
      const grace = environment.timers.delay(graceMs, stop.signal).catch(() => {});
      await Promise.race([Promise.all(all.map((connection) => connection.drain())), grace]);
      await Promise.race([emptied(connections, sockets), grace]);
      stop.abort();
      for (const connection of connections) connection.terminate();
      sockets.close();
    },
  };
}

function emptied(connections: ReadonlySet<Connection>, sockets: WebSocketServer): Promise<void> {
  return new Promise((resolve) => {
    if (connections.size === 0) resolve();
    for (const socket of sockets.clients) socket.on("close", () => connections.size === 0 && resolve());
  });
}

/** A connection that is not signed in yet may send little: what it sends is counted before it is put together. */
function guardHello(tcp: Socket, connection: Connection, helloBytes: number): void {
  let received = 0;
  const count = (bytes: Buffer): void => {
    received += bytes.length;
    if (connection.signedIn) tcp.off("data", count);
    else if (received > helloBytes) connection.terminate();
  };
  tcp.on("data", count);
}

function principalOf(request: IncomingMessage, url: URL, { access }: ConnectionContext): Principal | undefined {
  const ticket = url.searchParams.get("ticket");
  if (ticket !== null) return access.byTicket(ticket);
  const { authorization } = request.headers;
  return authorization === undefined ? undefined : access.byHeader(authorization);
}

const statusOf = (error: MillpondError): number => (error.spec.family === "bug" ? 500 : error.spec.status);

function refuseUpgrade(socket: Duplex, status: number): void {
  const names: Record<number, string> = { 401: "Unauthorized", 403: "Forbidden", 404: "Not Found" };
  socket.on("error", () => {});
  const line = `HTTP/1.1 ${status} ${names[status] ?? "Refused"}`;
  // The server has given the socket up with its time-outs: nobody else would ever end a peer that keeps its half open.
  socket.once("finish", () => socket.destroy());
  socket.end(`${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
