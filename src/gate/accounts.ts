/**
 * The books of the gate: how many rows of each feed came to which end, folded from the accounts in the log. Because it
 * only adds up what commits say, `unaccounted` is a real check: it is zero or rows have vanished.
 */
import type { Account, Cause, Commit, Fold, Position } from "../log/index.ts";

/** Sums over all batches of one feed into one dataset. */
export interface FeedTotals extends Account {
  readonly feed: string;
  readonly dataset: string;
  /** received − accepted − duplicate − quarantined − late − refused; always 0. */
  readonly unaccounted: number;
  readonly batches: number;
  /** Accepted rows older than the newest row of their key. */
  readonly outOfOrder: number;
  /** Accepted rows by rule that did not hold but only counts. */
  readonly breaches: Readonly<Record<string, number>>;
  /** Kept rows by reason code. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Kept rows by the rule they failed. */
  readonly rules: Readonly<Record<string, number>>;
  readonly lastAt: number;
  readonly lastPosition: Position;
}

export interface Accounts extends Fold {
  /** In the order in which feeds were first seen. */
  totals(): readonly FeedTotals[];
  /** Sums over all retries of kept rows; their rows are counted as received once already, in the totals. */
  retried(): Account;
}

type FeedCause = Extract<Cause, { kind: "feed" }>;
type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };
type Books = Mutable<Omit<FeedTotals, "breaches" | "reasons" | "rules">> & {
  breaches: Record<string, number>;
  reasons: Record<string, number>;
  rules: Record<string, number>;
};

const outcomes = ["accepted", "duplicate", "quarantined", "late", "refused"] as const;
const emptyAccount = (): Mutable<Account> => ({
  received: 0,
  accepted: 0,
  duplicate: 0,
  quarantined: 0,
  late: 0,
  refused: 0,
});

/** The columns of `_quarantine` that are counted are found by the contract's layout. */
export function createAccounts(quarantineLayout: readonly { readonly name: string }[]): Accounts {
  return new AccountsFold(quarantineLayout);
}

class AccountsFold implements Accounts {
  readonly name = "gate-accounts";
  readonly version = 1;
  readonly #reasonColumn: number;
  readonly #ruleColumn: number;
  #books = new Map<string, Books>();
  #retried = emptyAccount();

  constructor(layout: readonly { readonly name: string }[]) {
    this.#reasonColumn = layout.findIndex(({ name }) => name === "reason");
    this.#ruleColumn = layout.findIndex(({ name }) => name === "rule");
  }
  totals(): readonly FeedTotals[] {
    return structuredClone([...this.#books.values()]);
  }
  retried(): Account {
    return { ...this.#retried };
  }
  apply(run: readonly Commit[]): void {
    for (const commit of run) {
      if (commit.cause.kind === "feed") this.#apply(commit, commit.cause);
      else if (commit.cause.kind === "retry") addAccount(this.#retried, commit.cause.account);
    }
  }
  save(): unknown {
    return structuredClone({ books: [...this.#books], retried: this.#retried });
  }
  load(saved: unknown): void {
    const { books, retried } = structuredClone(saved as { books: [string, Books][]; retried: Mutable<Account> });
    this.#books = new Map(books);
    this.#retried = retried;
  }
  reset(): void {
    this.#books = new Map();
    this.#retried = emptyAccount();
  }

  #apply(commit: Commit, cause: FeedCause): void {
    const books = this.#booksOf(cause.feed, cause.dataset);
    addAccount(books, cause.account);
    books.unaccounted = books.received - outcomes.reduce((sum, outcome) => sum + books[outcome], 0);
    books.batches += 1;
    books.outOfOrder += cause.outOfOrder ?? 0;
    for (const [rule, count] of Object.entries(cause.breaches ?? {})) addTo(books.breaches, rule, count);
    books.lastAt = commit.at;
    books.lastPosition = commit.position;
    for (const { dataset, batch } of commit.changes) {
      if (dataset !== "_quarantine") continue;
      countTexts(books.reasons, batch.columns[this.#reasonColumn]);
      countTexts(books.rules, batch.columns[this.#ruleColumn]);
    }
  }
  #booksOf(feed: string, dataset: string): Books {
    const key = `${feed}\0${dataset}`;
    let books = this.#books.get(key);
    if (books === undefined) {
      const zero = { unaccounted: 0, batches: 0, outOfOrder: 0, lastAt: 0, lastPosition: 0 };
      books = { feed, dataset, ...emptyAccount(), ...zero, breaches: {}, reasons: {}, rules: {} };
      this.#books.set(key, books);
    }
    return books;
  }
}

function addAccount(to: Mutable<Account>, account: Account): void {
  to.received += account.received;
  for (const outcome of outcomes) to[outcome] += account[outcome];
}

function addTo(counts: Record<string, number>, name: string, count: number): void {
  counts[name] = (counts[name] ?? 0) + count;
}

function countTexts(
  counts: Record<string, number>,
  column: Commit["changes"][number]["batch"]["columns"][number] | undefined,
) {
  if (column?.kind !== "text") return;
  const { dictionary, indexes, nulls } = column;
  for (let place = 0; place < indexes.length; place++) {
    if (nulls === null || nulls[place] === 0) addTo(counts, dictionary[indexes[place]!]!, 1);
  }
}
