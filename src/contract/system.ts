/** Millpond's own datasets: declared, stored and read like any other. */
import { boolean, enumeration, instant, integer, json, optional, text } from "./fields.ts";
import { systemSeries } from "./series.ts";

/** Rows that were not accepted, as they came, with why. One row an id; a later one of the same id replaces it. */
export const quarantineContract = systemSeries("_quarantine", {
  description: "Rows that were not accepted: as received, with the outcome and its reason",
  fields: {
    id: text({ max: 64, description: "Names the kept row" }),
    received_at: instant({ description: "When the batch was judged" }),
    dataset: text({ max: 64 }),
    contract: integer({ min: 1, description: "Version of the contract it was judged by" }),
    feed: text({ max: 256 }),
    session: text({ max: 256 }),
    batch: integer({ min: 0, description: "Number of the batch within the session" }),
    place: integer({ min: 0, description: "Place in the batch, from 0" }),
    outcome: enumeration(["quarantined", "late", "refused", "duplicate"]),
    reason: text({ max: 64, description: "Code of the error table" }),
    field: optional(text({ max: 64 })),
    rule: optional(text({ max: 64 })),
    message: text({ max: 4_096 }),
    raw: text({ max: 65_536, classification: "restricted", description: "The row as received, at most 64 KiB" }),
    raw_cut: boolean({ description: "Whether the raw form was cut" }),
  },
  key: ["id"],
  time: "received_at",
  identity: "keyTime",
});

/** Raw forms of accepted rows, of the datasets that declare `keepRaw`; in the commit that holds the rows. */
export const rawContract = systemSeries("_raw", {
  description: "The raw form of accepted rows, where their contract keeps it",
  fields: {
    id: text({ max: 64, description: "Names the received row, in the form of the ids of _quarantine" }),
    received_at: instant({ description: "When the batch was judged" }),
    dataset: text({ max: 64 }),
    raw: text({ max: 65_536, classification: "restricted", description: "The row as received, at most 64 KiB" }),
    raw_cut: boolean({ description: "Whether the raw form was cut" }),
  },
  key: ["id"],
  time: "received_at",
  identity: "keyTime",
});

/** What became of rows in quarantine; a row without one is still open. */
export const resolutionsContract = systemSeries("_resolutions", {
  description: "What became of rows in quarantine",
  fields: {
    id: text({ max: 64, description: "The row of _quarantine" }),
    resolved_at: instant(),
    resolution: enumeration(["retried", "discarded"]),
    actor: text({ max: 256 }),
    outcome: text({ max: 4_096, description: "For a retry: what the gate said of the row" }),
  },
  key: ["id"],
  time: "resolved_at",
  identity: "keyTime",
});

/** Every version of every contract, as declared. */
export const contractsContract = systemSeries("_contracts", {
  description: "Every version of every contract",
  fields: {
    dataset: text({ max: 64 }),
    version: integer({ min: 1 }),
    declared_at: instant(),
    body: json({ max: 1_048_576, description: "The contract as JSON" }),
  },
  key: ["dataset", "version"],
  time: "declared_at",
  identity: "keyTime",
});

export const systemContracts = Object.freeze([
  quarantineContract,
  rawContract,
  resolutionsContract,
  contractsContract,
] as const);
