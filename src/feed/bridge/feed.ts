/** A bridge as a feed under a supervisor: one listener, several named feeds of which the status is reported apart. */
import { asMillpondError, fail, isAbort } from "../../base/index.ts";
import type { Feed, FeedContext } from "../types.ts";
import type { BridgeOptions } from "./options.ts";
import { createBridgeServer } from "./server.ts";

export interface BridgeFeedOptions extends Omit<BridgeOptions, "gate" | "environment" | "onEvent"> {
  /** Name of the task; default `bridge`. */
  readonly name?: string;
  readonly host: string;
  readonly port: number;
  /** How often the status is reported; default 1,000. */
  readonly reportMs?: number;
  readonly onListening?: (address: { readonly host: string; readonly port: number }) => void;
}

/** `run` rejects with `bridge_address_unavailable` where the address cannot be listened on. */
export function bridgeFeed(options: BridgeFeedOptions): Feed {
  return {
    name: options.name ?? "bridge",
    kind: "bridge",
    async run({ gate, environment, signal, report, event }: FeedContext) {
      const server = createBridgeServer({ ...options, gate, environment, onEvent: event });
      try {
        options.onListening?.(await server.listen(options));
      } catch (error) {
        const address = `${options.host}:${options.port}`;
        throw fail("bridge_address_unavailable", { address }, asMillpondError(error));
      }
      try {
        while (!signal.aborted) {
          for (const status of server.status()) report(status);
          await environment.timers.delay(options.reportMs ?? 1_000, signal);
        }
      } catch (error) {
        if (!isAbort(error, signal)) throw error;
      } finally {
        await server.close();
        for (const status of server.status()) report(status);
      }
    },
  };
}
