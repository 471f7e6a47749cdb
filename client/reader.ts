/** Latest reads: those of one turn for one dataset travel in one message. */
import { type MillpondError, parseInstant } from "../src/base/index.ts";
import type { Layout, Value } from "../src/batch/index.ts";
import { isBinary, type Link } from "./link.ts";
import type { AnyRow, LatestAnswer } from "./types.ts";

type Key = readonly (string | number | boolean)[];

interface Waiting {
  readonly key: Key;
  readonly resolve: (answer: LatestAnswer<AnyRow> | undefined) => void;
  readonly reject: (error: MillpondError) => void;
}

const MOST_KEYS = 1_000;

export class LatestReader {
  readonly #link: Link;
  readonly #dataset: string;
  readonly #layout: Layout;
  /** Fields whose JSON form differs from their form here. */
  readonly #special: Layout;
  #waiting: Waiting[] = [];

  constructor(link: Link, dataset: string, layout: Layout) {
    this.#link = link;
    this.#dataset = dataset;
    this.#layout = layout;
    this.#special = layout.filter(({ type }) => type === "instant" || type === "json");
  }
  get layout(): Layout {
    return this.#layout;
  }

  read(key: Key): Promise<LatestAnswer<AnyRow> | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
      if (this.#waiting.push({ key, resolve, reject }) >= MOST_KEYS) this.#flush();
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    const id = this.#link.newId();
    const keys = waiting.map(({ key }) => key);
    this.#link.request(id, {
      text: JSON.stringify({ type: "latest", id, dataset: this.#dataset, keys }),
      answer: (message) => {
        if (isBinary(message)) return;
        const values = message.values as (LatestAnswer<Record<string, Value>> | null)[];
        for (let place = 0; place < waiting.length; place++) {
          waiting[place]!.resolve(this.#inOurForm(values[place] ?? undefined));
        }
      },
      refuse: (error) => {
        for (const { reject } of waiting) reject(error);
      },
    });
  }
  #inOurForm(answer: LatestAnswer<Record<string, Value>> | undefined): LatestAnswer<AnyRow> | undefined {
    if (answer === undefined) return undefined;
    const { row } = answer;
    for (const { name, type } of this.#special) {
      const value = row[name];
      if (value === null || value === undefined) continue;
      row[name] = type === "json" ? JSON.stringify(value) : (parseInstant(value as string) ?? null);
    }
    return answer;
  }
}
