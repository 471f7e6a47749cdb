/**
 * The header of a commit: who, why, and how its payload is cut, as JSON text. The order of its keys is fixed here; a
 * verifier hashes the stored text and never writes it anew, so what is hashed is what was stored.
 */
import { decodeBatch } from "../batch/index.ts";
import type { Cause, Change, Commit, Draft, Operation, Position } from "./types.ts";

interface StoredChange {
  readonly dataset: string;
  readonly contract: number;
  readonly operation: Operation;
  readonly rows: number;
  readonly bytes: number;
}

interface StoredHeader {
  readonly actor: string;
  readonly cause: Cause;
  readonly changes: readonly StoredChange[];
}

export function encodeHeader(draft: Draft): string {
  const changes: StoredChange[] = [];
  for (const { dataset, contract, operation, batch, bytes } of draft.changes) {
    changes.push({ dataset, contract, operation, rows: batch.count, bytes: bytes.length });
  }
  return JSON.stringify({ actor: draft.actor, cause: draft.cause, changes } satisfies StoredHeader);
}

/** A commit as an engine keeps it. */
export interface StoredCommit {
  readonly position: Position;
  readonly at: number;
  readonly header: string;
  /** The bytes of the changes, one behind the other; starts at a multiple of 8 or is copied when read. */
  readonly payload: Uint8Array;
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
}

/** Columns are decoded when first looked at: whoever only passes bytes on never pays for them. */
export function readStoredCommit(stored: StoredCommit): Commit {
  const { position, at, previous, hash } = stored;
  const { actor, cause, changes } = JSON.parse(stored.header) as StoredHeader;
  let offset = 0;
  return {
    position,
    at,
    actor,
    cause,
    changes: changes.map((change) => {
      const bytes = stored.payload.subarray(offset, offset + change.bytes);
      offset += change.bytes;
      return readChange(change, bytes);
    }),
    previous,
    hash,
  };
}

function readChange({ dataset, contract, operation }: StoredChange, bytes: Uint8Array): Change {
  let decoded: Change["batch"] | undefined;
  return {
    dataset,
    contract,
    operation,
    get batch() {
      decoded ??= decodeBatch(bytes);
      return decoded;
    },
    bytes,
  };
}

/** Distinct names of the datasets a draft or commit touches, in order of first appearance. */
export function touchedDatasets(changes: readonly { readonly dataset: string }[]): readonly string[] {
  const names = changes.map(({ dataset }) => dataset);
  return names.length > 1 ? [...new Set(names)] : names;
}

/** The same from the text of a header. */
export function headerDatasets(header: string): readonly string[] {
  return touchedDatasets((JSON.parse(header) as StoredHeader).changes);
}

/** Bytes of all changes of a draft. */
export function payloadBytes(changes: readonly Change[]): number {
  let length = 0;
  for (const change of changes) length += change.bytes.length;
  return length;
}

export function touchesAny(commit: Commit, datasets: readonly string[]): boolean {
  return commit.changes.some((change) => datasets.includes(change.dataset));
}
