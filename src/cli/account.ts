/** The account of rows as one line that adds up. */
import type { Account } from "../log/index.ts";

const n = (count: number): string => count.toLocaleString("en");

/** `47 received = 43 accepted + 1 duplicate + 2 quarantined + 0 late + 1 refused` */
export const accountLine = ({ received, accepted, duplicate, quarantined, late, refused }: Account): string =>
  `${n(received)} received = ${n(accepted)} accepted + ${n(duplicate)} duplicate + ${n(quarantined)} quarantined + ` +
  `${n(late)} late + ${n(refused)} refused`;

export const noAccount: Account = { received: 0, accepted: 0, duplicate: 0, quarantined: 0, late: 0, refused: 0 };

export const sumOf = (accounts: readonly Account[]): Account =>
  accounts.reduce(
    (sum, each) => ({
      received: sum.received + each.received,
      accepted: sum.accepted + each.accepted,
      duplicate: sum.duplicate + each.duplicate,
      quarantined: sum.quarantined + each.quarantined,
      late: sum.late + each.late,
      refused: sum.refused + each.refused,
    }),
    noAccount,
  );
