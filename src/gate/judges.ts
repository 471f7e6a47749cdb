/** What is compiled from a contract and a feed's policy, made once and kept as long as both are the same. */
import type { Logger } from "../base/index.ts";
import type { ContractVersion, FeedPolicy } from "../contract/index.ts";
import { Checker } from "./check.ts";
import { Rules } from "./rules.ts";

export interface FeedJudge {
  readonly version: ContractVersion;
  readonly checker: Checker;
  readonly rules: Rules;
  /** Microseconds; null for no bound. */
  readonly lateness: number | null;
}

export class FeedJudges {
  readonly #logger: Logger;
  readonly #withPolicy = new WeakMap<FeedPolicy, FeedJudge>();
  readonly #plain = new Map<string, FeedJudge>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }
  of(version: ContractVersion, policy: FeedPolicy | undefined): FeedJudge {
    const { name } = version.contract;
    const known = policy === undefined ? this.#plain.get(name) : this.#withPolicy.get(policy);
    if (known?.version === version) return known;
    const made = this.#compile(version, policy);
    if (policy === undefined) this.#plain.set(name, made);
    else this.#withPolicy.set(policy, made);
    return made;
  }
  #compile(version: ContractVersion, policy: FeedPolicy | undefined): FeedJudge {
    const { contract } = version;
    const lateness = policy?.lateness === undefined ? contract.lateness : policy.lateness;
    return {
      version,
      checker: new Checker(contract, policy, this.#logger),
      rules: new Rules(contract, policy),
      lateness,
    };
  }
}
