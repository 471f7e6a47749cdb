/** Rows of Millpond's own datasets that the gate writes: what was not accepted, and what became of it in a retry. */
import { hash } from "node:crypto";
import { type Batch, batchOfRows, encodeBatch } from "../batch/index.ts";
import { type ContractVersion, quarantineContract, rawContract, resolutionsContract } from "../contract/index.ts";
import type { Change } from "../log/index.ts";
import type { QuarantinedRow } from "./types.ts";

/** What all kept rows of one batch share. */
export interface KeptBatch {
  /** Microseconds. */
  readonly receivedAt: number;
  readonly dataset: string;
  readonly contract: number;
  readonly feed: string;
  readonly session: string;
  readonly batch: number;
}

export interface KeptRow
  extends Pick<QuarantinedRow, "id" | "place" | "outcome" | "reason" | "field" | "rule" | "message" | "raw"> {
  readonly rawCut: boolean;
}

/**
 * Ids of kept rows of a batch, by place. The same batch sent again gives the same ids. The first part is a hash (96
 * bits of SHA-256) of feed and session, whose own names may be too long for an id.
 */
export function quarantineIds(feed: string, session: string, batch: number): (place: number) => string {
  const start = `${hash("sha256", `${feed}\0${session}`, "hex").slice(0, 24)}-${batch}-`;
  return (place) => start + place;
}

const MOST_MESSAGE = 4_096;
const MOST_NAME = 64;

export function quarantineChange(
  contracts: ReadonlyMap<string, ContractVersion>,
  shared: KeptBatch,
  kept: readonly KeptRow[],
): Change {
  const { receivedAt, ...facts } = shared;
  const rows = kept.map(({ rawCut, ...row }) => ({
    ...facts,
    ...row,
    received_at: receivedAt,
    field: row.field === null ? null : shortened(row.field, MOST_NAME),
    message: shortened(row.message, MOST_MESSAGE),
    raw_cut: rawCut,
  }));
  return changeOf(contracts, quarantineContract.name, batchOfRows(quarantineContract.layout, rows));
}

/** The raw forms of accepted rows, by received place; they stand in the commit that holds the rows. */
export function rawChange(
  contracts: ReadonlyMap<string, ContractVersion>,
  { receivedAt, dataset, feed, session, batch }: Omit<KeptBatch, "contract">,
  accepted: readonly { readonly place: number; readonly raw: string; readonly rawCut: boolean }[],
): Change {
  const idOf = quarantineIds(feed, session, batch);
  const rows = accepted.map(({ place, raw, rawCut }) => ({
    ...{ id: idOf(place), received_at: receivedAt, dataset, raw, raw_cut: rawCut },
  }));
  return changeOf(contracts, rawContract.name, batchOfRows(rawContract.layout, rows));
}

export interface Resolution {
  readonly id: string;
  readonly outcome: string;
}

export function resolutionsChange(
  contracts: ReadonlyMap<string, ContractVersion>,
  actor: string,
  resolvedAt: number,
  resolutions: readonly Resolution[],
): Change {
  const rows = resolutions.map(({ id, outcome }) => ({
    id,
    resolved_at: resolvedAt,
    resolution: "retried",
    actor,
    outcome,
  }));
  return changeOf(contracts, resolutionsContract.name, batchOfRows(resolutionsContract.layout, rows));
}

function changeOf(contracts: ReadonlyMap<string, ContractVersion>, dataset: string, batch: Batch): Change {
  const contract = contracts.get(dataset)?.version ?? 1;
  return { dataset, contract, operation: "append", batch, bytes: encodeBatch(batch) };
}

const shortened = (text: string, most: number): string =>
  (text.length > most ? text.slice(0, most) : text).replaceAll("\0", "\u2400").toWellFormed();
