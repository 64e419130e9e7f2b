import type { Change, StoredObject } from "../storage/stored-object.ts";

export interface SelectedChange {
  readonly type: Change["type"];
  /** Of a deletion: the state to show, with the revision of the change that removed it from view. */
  readonly stored: StoredObject;
  /** The revision to show; differs from `stored.revision` when a deletion shows an earlier state. */
  readonly revision: number;
}

/**
 * What one watch sees of a change: an object that enters its selection was added, one that leaves it was deleted.
 *
 * @returns undefined: nothing, it was outside and still is.
 */
export function selectChange(
  { type, stored, previous }: Change,
  selects: (state: StoredObject) => boolean,
): SelectedChange | undefined {
  const { revision } = stored;
  const was = previous !== undefined && selects(previous);
  if (type === "DELETED") return was ? { type, stored, revision } : undefined;
  const is = selects(stored);
  if (is) return { type: was ? "MODIFIED" : "ADDED", stored, revision };
  // The last state inside the selection: the client knows it by its labels.
  return was && previous !== undefined ? { type: "DELETED", stored: previous, revision } : undefined;
}
