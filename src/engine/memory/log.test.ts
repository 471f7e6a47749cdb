import { compareLogs } from "../../../testing/log-comparison.ts";
import { type LogHarness, logConformance } from "../../../testing/log-conformance.ts";
import type { Environment } from "../../base/index.ts";
import { createMemoryLog } from "./index.ts";

async function open(environment: Environment): Promise<LogHarness> {
  let store = createMemoryLog({ environment });
  return {
    store,
    async reopen() {
      await store.close();
      store = createMemoryLog({ environment, disk: store.disk });
      return store;
    },
    dispose: () => store.close(),
  };
}

logConformance("memory", open);
compareLogs("memory", open);
