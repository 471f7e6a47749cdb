/** The rules of a contract as one feed's policy bends them, compiled. */
import type { Contract, FeedPolicy, Rule, RuleOutcome } from "../contract/index.ts";
import { type CompiledRules, compileRules, previousInputs } from "../expression/index.ts";

export interface JudgedRule {
  readonly rule: Rule;
  readonly otherwise: RuleOutcome;
}

export class Rules {
  /** Undefined where there is nothing to judge. */
  readonly compiled: CompiledRules | undefined;
  readonly #judged: readonly JudgedRule[];

  constructor(contract: Contract, policy: FeedPolicy | undefined) {
    this.#judged = contract.rules.flatMap((rule) => {
      const otherwise = policy?.rules?.[rule.name] ?? rule.otherwise;
      return otherwise === "off" ? [] : [{ rule, otherwise }];
    });
    const conditions = this.#judged.map(({ rule }) => rule.holds);
    this.compiled = conditions.length === 0 ? undefined : compileRules(conditions, contract.layout);
  }

  /** The rules whose bits are set, in declared order. */
  broken(mask: number): readonly JudgedRule[] {
    return this.#judged.filter((_, bit) => (mask & (1 << bit)) !== 0);
  }
}

/** The columns of which rules ask the previous value, whatever a policy switches off: the keys keep them for all. */
export function previousFieldsOf({ rules, layout }: Contract): readonly number[] {
  const names = new Set(rules.flatMap(({ holds }) => [...previousInputs(holds)]));
  return layout.flatMap(({ name }, index) => (names.has(name) ? [index] : []));
}
