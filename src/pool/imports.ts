/**
 * Imports as a door of the pool: finds out what a file holds and which declared feed takes it, brings it through the
 * gate, and can be stopped at any time with an exact account of what is durable by then.
 */
import { type Environment, fail, isAbort } from "../base/index.ts";
import type { ContractVersion } from "../contract/index.ts";
import {
  detectLayout,
  factsOf,
  type ImportLayout,
  importLayout,
  importLayouts,
  openImport,
  parseLayout,
  rowMapper,
  runImport,
} from "../feed/index.ts";
import type { Admission, Gate, Rejection } from "../gate/index.ts";
import type { Account } from "../log/index.ts";
import type { ImportProgress, ImportRequest, ImportResult } from "../serve/index.ts";
import type { FeedDeclaration, PoolDefinition } from "./definition.ts";

export interface ImportParts {
  readonly definition: PoolDefinition;
  readonly contracts: ReadonlyMap<string, ContractVersion>;
  readonly gate: Gate;
  readonly environment: Environment;
}

/**
 * @param file a path on this machine, whose name and folders may tell symbol, date, zone and feed
 * @throws `import_file_refused`, `import_layout_unknown`, `import_layout_invalid`, `import_layout_unclear`,
 * `import_feed_unclear`, `import_option_missing`, and what the gate refuses with
 */
export async function importFile(
  parts: ImportParts,
  file: string,
  request: ImportRequest,
  onProgress: (progress: ImportProgress) => void = () => {},
): Promise<ImportResult> {
  const { environment, gate, contracts } = parts;
  const { actor, signal, zone, symbol, timeframe, date, encoding } = request;
  const layout = await layoutFor(file, request.layout);
  const { name: feed, dataset } = feedFor(parts, file, layout, request);
  const given = { zone, symbol, timeframe, date, encoding };
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const source = await openImport(file, layout, { environment, feed, ...known });
  const mapper = rowMapper(dataset, contracts.get(dataset)!.contract.layout, source.facts);
  const books = new ImportBooks();
  const startedMs = environment.clock.monotonicMs();
  let stopped = false;
  try {
    await runImport(source, {
      ...{ environment, feed, mapper, actor, onProgress },
      gate: books.watched(gate),
      ...(signal && { signal }),
    });
  } catch (error) {
    if (signal === undefined || !isAbort(error, signal)) throw error;
    stopped = true;
  }
  const seconds = (environment.clock.monotonicMs() - startedMs) / 1000;
  const { account } = books;
  const rowsPerSecond = seconds > 0 ? Math.round(account.received / seconds) : 0;
  return {
    ...{ source: source.name, layout: source.layout, feed, dataset, session: source.session, stopped },
    ...books.report(),
    ...{ seconds, rowsPerSecond },
  };
}

async function layoutFor(file: string, given: ImportRequest["layout"]): Promise<ImportLayout> {
  if (given !== undefined) return typeof given === "string" ? importLayout(given) : parseLayout(given);
  const detected = await detectLayout(file);
  if (detected === undefined) throw fail("import_layout_unclear", { known: [...importLayouts.keys()] });
  return importLayout(detected);
}

/** The feed asked for, or of those that can take what the layout gives the one named in the path, or the first. */
function feedFor(
  { definition, contracts }: ImportParts,
  file: string,
  layout: ImportLayout,
  { feed, dataset }: ImportRequest,
): FeedDeclaration {
  const imports = definition.feeds.filter((each) => each.kind === "import");
  const facts = new Set(factsOf(layout).map(({ name }) => name));
  const fits = imports.filter((each) => {
    const { contract } = contracts.get(each.dataset)!;
    return contract.layout.every(({ name, nullable }) => nullable || facts.has(name));
  });
  const wanted = (feed === undefined ? fits : imports).filter(
    (each) => (feed ?? each.name) === each.name && (dataset ?? each.dataset) === each.dataset,
  );
  const words = file.toLowerCase();
  const found = wanted.find(({ name }) => words.includes(name)) ?? wanted[0];
  if (found !== undefined) return found;
  throw fail("import_feed_unclear", {
    layout: layout.name,
    known: imports.map((each) => `${each.name} into ${each.dataset}`),
  });
}

const SAMPLE = 100;
/** Outcomes with one reason: the account counts them, however many the gate tells one by one. */
const ONE_REASON = { duplicate: "row_duplicate", late: "row_late" } as const;

/** Counts what became durable, whatever happened to the run itself. */
class ImportBooks {
  account: Account = { received: 0, accepted: 0, duplicate: 0, quarantined: 0, late: 0, refused: 0 };
  readonly #reasons = new Map<string, number>();
  readonly #rejections: (Rejection & { readonly batch: number })[] = [];
  readonly #seen = new Set<number>();
  #first: number | null = null;
  #last: number | null = null;
  #unreadable = 0;

  watched(gate: Gate): Gate {
    return {
      submit: async (submission) => {
        const admission = await gate.submit(submission);
        this.#add(submission.batch, submission.unreadable?.length ?? 0, admission);
        return admission;
      },
      session: (feed, session, event, watermark) => gate.session(feed, session, event, watermark),
      lastBatch: (feed, session) => gate.lastBatch(feed, session),
      retry: (ids, actor) => gate.retry(ids, actor),
    };
  }
  #add(batch: number, unreadable: number, { account, rejections, receipt }: Admission): void {
    // A batch that was sent again after a condition answers with its first account.
    if (this.#seen.has(batch)) return;
    this.#seen.add(batch);
    const sum = this.account;
    this.account = {
      received: sum.received + account.received,
      accepted: sum.accepted + account.accepted,
      duplicate: sum.duplicate + account.duplicate,
      quarantined: sum.quarantined + account.quarantined,
      late: sum.late + account.late,
      refused: sum.refused + account.refused,
    };
    this.#unreadable += unreadable;
    for (const { outcome, code, rule } of rejections) {
      if (outcome in ONE_REASON) continue;
      const reason = `${outcome} ${code}${rule === undefined ? "" : ` ${rule}`}`;
      this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
    }
    for (const [outcome, code] of Object.entries(ONE_REASON)) {
      const rows = account[outcome as keyof typeof ONE_REASON];
      if (rows > 0) this.#reasons.set(`${outcome} ${code}`, (this.#reasons.get(`${outcome} ${code}`) ?? 0) + rows);
    }
    for (const rejection of rejections.slice(0, SAMPLE - this.#rejections.length)) {
      this.#rejections.push({ ...rejection, batch });
    }
    this.#first = Math.min(this.#first ?? receipt.position, receipt.position);
    this.#last = Math.max(this.#last ?? receipt.position, receipt.position);
  }
  report() {
    const reasons = Array.from(this.#reasons, ([text, rows]) => {
      const [outcome = "", code = "", rule] = text.split(" ");
      return { outcome, code, ...(rule !== undefined && { rule }), rows };
    });
    return {
      account: this.account,
      reasons: reasons.sort((one, two) => two.rows - one.rows),
      batches: this.#seen.size,
      unreadable: this.#unreadable,
      rejections: this.#rejections,
      firstPosition: this.#first,
      lastPosition: this.#last,
    };
  }
}
