/** The worker thread: one store, one message at a time for writing, statements beside it. */
import { parentPort, workerData } from "node:worker_threads";
import { asMillpondError } from "../../base/index.ts";
import { VIEW_NAME } from "./file.ts";
import type { FromWorker, PlainError, Request, ToWorker, WorkerOptions } from "./protocol.ts";
import { Queries } from "./queries.ts";
import { SeriesStore } from "./store.ts";

const port = parentPort!;
const say = (message: FromWorker, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

/** What the engine itself says of a writing step may quote values, and is no fault of whoever asked: it can be retried. */
function plain(error: unknown, store?: SeriesStore): PlainError {
  const known = asMillpondError(error);
  if (known.code !== "internal") return { code: known.code, details: known.details };
  if (store !== undefined) return { code: "view_failed", details: { view: VIEW_NAME, position: store.state.position } };
  return { code: "query_failed", details: { problem: error instanceof Error ? error.message : String(error) } };
}

async function serve(options: WorkerOptions): Promise<void> {
  let epoch = 0;
  const store = await SeriesStore.open(options, {
    durable: (state, figures) => say({ kind: "durable", state, figures }),
    failed: (problem, state) => {
      epoch += 1;
      say({ kind: "failed", problem, state });
    },
  });
  const queries = new Queries(store);
  /** A writing step that fails takes with it what was gathered. */
  const writing = (step: () => Promise<void>): Promise<void> =>
    store.serial(async () => {
      try {
        await step();
      } catch (error) {
        await store.fail(error);
        throw error;
      }
    });

  const answer = async (id: number, request: Request): Promise<unknown> => {
    switch (request.kind) {
      case "declare":
        await writing(() => store.declare(request.contract));
        return store.state;
      case "flush":
        await writing(() => store.flush());
        return undefined;
      case "drop":
        await writing(() => store.drop());
        return undefined;
      case "close":
        await store.serial(async () => {
          queries.close();
          await store.close();
        });
        return undefined;
      case "select":
        return queries.select(id, request.statement, request.layout, request.maxRows);
      case "storedRows":
        return store.serial(() => queries.storedRows(request.request));
      case "scanStart":
        return queries.scanStart(id, request.dataset, request.through);
      case "scanNext":
        return queries.scanNext(request.scan);
      case "scanEnd":
        return queries.scanEnd(request.scan);
    }
  };
  const respond = async (id: number, request: Request): Promise<void> => {
    try {
      const value = await answer(id, request);
      say({ kind: "answer", id, value }, value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : []);
    } catch (error) {
      say({ kind: "refusal", id, error: plain(error, store) });
    }
  };

  port.on("message", (message: ToWorker) => {
    if (message.kind === "cancel") queries.cancel(message.id);
    else if (message.kind === "request") void respond(message.id, message.request);
    else {
      // A failure is told to the main thread by the store itself; runs sent before it heard are of an older epoch.
      void writing(() => (message.epoch === epoch ? store.apply(message.run) : Promise.resolve()))
        .catch(() => {})
        .then(() => say({ kind: "taken", bytes: message.run.bytes.length }));
    }
  });
  say({ kind: "opened", state: store.state });
}

serve(workerData as WorkerOptions).catch((error: unknown) => {
  say({ kind: "openFailed", error: plain(error) });
  port.close();
});
