import type { MsgTwin, TwinDocumentEntry, TwinVersion } from "./twin-payloads.ts";
import type { TwinRequest } from "./decode-twin-request.ts";
import {
  buryTwin,
  isTombstone,
  type Side,
  SIDES,
  type StoredTwin,
  UNSET,
  viewForCloud,
  viewRemoval,
  viewTwin,
} from "./stored-twin.ts";
import { checkTwinType, DELETED, STRING } from "./twin-value.ts";

/** What a request of this node does to one property. */
export type TwinUpdatePlan =
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "unchanged" }
  | {
      readonly kind: "changed";
      readonly twin: StoredTwin;
      readonly result: MsgTwin | null;
      readonly document: TwinDocumentEntry;
      readonly cloud: MsgTwin;
    };

const UNCHANGED: TwinUpdatePlan = { kind: "unchanged" };

/**
 * Decides what a report of this node does to one property. Versions that the client sends mean nothing: each write
 * counts the edge's own up, also if the value stays the same.
 *
 * @param request `null` removes the property.
 * @see `devices-and-messaging` §3.5
 */
export function planTwinUpdate(
  name: string,
  stored: StoredTwin | undefined,
  request: TwinRequest | null,
  now: number,
): TwinUpdatePlan {
  if (request === null) return stored === undefined ? UNCHANGED : planRemoval(stored);
  // Tombstones are made by removing, not by writing.
  const revived = stored !== undefined && isTombstone(stored);
  if (request.type === DELETED && (stored === undefined || revived))
    return { kind: "refused", reason: "the value type is not allowed" };
  if (stored === undefined) return planAdd(name, request, now);
  const type = revived ? (request.type ?? STRING) : stored.type;
  const touched = SIDES.filter((side) => request[side] !== undefined);
  if (revived && touched.length === 0) return UNCHANGED;
  for (const side of touched) {
    const reason = checkTwinType(type, request[side] ?? "");
    if (reason !== undefined) return { kind: "refused", reason };
  }
  const hardened = stored.optional && request.optional === false;
  if (touched.length === 0 && !hardened) return UNCHANGED;

  const write = (side: Side) => {
    const value = request[side];
    return value === undefined ? stored[side] : { value, timestamp: now, version: edgeAfter(stored[side].version) };
  };
  const twin: StoredTwin = {
    ...stored,
    type,
    optional: stored.optional && !hardened,
    expected: write("expected"),
    actual: write("actual"),
  };
  const changed = viewForCloud(twin, touched);
  const { expected_version: _, actual_version: __, ...result } = changed;
  const onlyOptional = touched.length === 0;
  return {
    kind: "changed",
    twin,
    result: onlyOptional ? { optional: twin.optional } : result,
    document: { last: revived ? null : viewTwin(stored), current: viewTwin(twin, touched) },
    cloud: onlyOptional ? { optional: twin.optional } : changed,
  };
}

function planAdd(name: string, request: TwinRequest, now: number): TwinUpdatePlan {
  const type = request.type ?? STRING;
  const add = (side: Side) => {
    const value = request[side];
    return value === undefined ? UNSET : { value, timestamp: now, version: edgeAfter(undefined) };
  };
  for (const side of SIDES) {
    const value = request[side];
    const reason = value === undefined ? undefined : checkTwinType(type, value);
    if (reason !== undefined) return { kind: "refused", reason };
  }
  const twin: StoredTwin = {
    name,
    type,
    optional: request.optional ?? true,
    expected: add("expected"),
    actual: add("actual"),
    metadata: request.type === undefined ? "" : "{}",
  };
  return {
    kind: "changed",
    twin,
    result: viewTwin(twin),
    document: { last: null, current: viewTwin(twin) },
    cloud: viewForCloud(twin, SIDES, []),
  };
}

function planRemoval(stored: StoredTwin): TwinUpdatePlan {
  if (isTombstone(stored) || !stored.optional) return UNCHANGED;
  const twin = buryTwin(stored, (side) => {
    const { version } = stored[side];
    return version === undefined ? undefined : edgeAfter(version);
  });
  return {
    kind: "changed",
    twin,
    result: null,
    document: { last: viewTwin(stored), current: null },
    cloud: viewRemoval(twin),
  };
}

function edgeAfter(version: TwinVersion | undefined): TwinVersion {
  return { cloud: version?.cloud ?? 0, edge: (version?.edge ?? 0) + 1 };
}
