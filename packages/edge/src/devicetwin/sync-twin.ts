import type { TwinRequest } from "./decode-twin-request.ts";
import {
  buryTwin,
  isTombstone,
  type Side,
  SIDES,
  type StoredTwin,
  type TwinPart,
  UNSET,
  viewForCloud,
  viewTwin,
} from "./stored-twin.ts";
import type { MsgTwin, TwinDocumentEntry, TwinVersion } from "./twin-payloads.ts";
import { checkTwinType, DELETED, STRING } from "./twin-value.ts";

/** What a sync from the cloud does to one property; both members may be there. */
export interface TwinSyncPlan {
  readonly changed?: { readonly twin: StoredTwin; readonly document: TwinDocumentEntry };
  /** The cloud's version is behind: what the edge has, so that the cloud catches up. */
  readonly refused?: MsgTwin;
}

const NOTHING: TwinSyncPlan = {};

/**
 * Decides what a sync from the cloud does to one property: it must know the edge's latest version, else it would undo
 * what happened here meanwhile. Values of the wrong type are ignored.
 *
 * @see `devices-and-messaging` §3.6, §3.7
 */
export function planTwinSync(
  name: string,
  stored: StoredTwin | undefined,
  request: TwinRequest | null,
  now: number,
): TwinSyncPlan {
  if (request === null) return NOTHING;
  if (stored === undefined) return request.type === DELETED ? NOTHING : planAdd(name, request, now);
  if (request.type === DELETED) return planRemoval(stored, request);

  const revived = isTombstone(stored);
  const type = revived ? (request.type ?? STRING) : stored.type;
  const touched: Side[] = [];
  const refused: Side[] = [];
  for (const side of SIDES) {
    const value = request[side];
    if (value === undefined) continue;
    if (checkTwinType(type, value) !== undefined) break;
    const version = request[`${side}Version`];
    if (version === undefined || isBehind(version, stored[side].version)) {
      refused.push(side);
      break; // an actual value whose expected one is out of date is out of date, too
    }
    touched.push(side);
  }
  const hardened = stored.optional && request.optional === false && refused.length === 0;
  const refusal = refused.length === 0 ? {} : { refused: viewForCloud(stored, refused, []) };
  if (touched.length === 0 && !hardened) return refusal;

  const write = (side: Side): TwinPart =>
    touched.includes(side)
      ? { value: request[side] ?? "", timestamp: now, version: request[`${side}Version`] }
      : stored[side];
  const twin: StoredTwin = {
    ...stored,
    type,
    optional: stored.optional && !hardened,
    expected: write("expected"),
    actual: write("actual"),
  };
  return {
    ...refusal,
    changed: { twin, document: { last: revived ? null : viewTwin(stored), current: viewTwin(twin, touched) } },
  };
}

function planAdd(name: string, request: TwinRequest, now: number): TwinSyncPlan {
  const type = request.type ?? STRING;
  const add = (side: Side): TwinPart => {
    const value = request[side];
    const version = request[`${side}Version`];
    if (value === undefined || version === undefined || checkTwinType(type, value) !== undefined) return UNSET;
    return { value, timestamp: now, version };
  };
  const twin: StoredTwin = {
    name,
    type,
    optional: request.optional ?? true,
    expected: add("expected"),
    actual: add("actual"),
    metadata: request.type === undefined ? "" : "{}",
  };
  if (twin.expected === UNSET && twin.actual === UNSET) return NOTHING;
  return { changed: { twin, document: { last: null, current: viewTwin(twin) } } };
}

/** All or nothing: half a removal would be neither the cloud's state nor ours. */
function planRemoval(stored: StoredTwin, request: TwinRequest): TwinSyncPlan {
  if (isTombstone(stored)) return NOTHING;
  for (const side of SIDES) {
    const version = request[`${side}Version`];
    if (version !== undefined && isBehind(version, stored[side].version))
      return { refused: viewForCloud(stored, SIDES, []) };
  }
  const twin = buryTwin(stored, (side) => request[`${side}Version`] ?? stored[side].version);
  return { changed: { twin, document: { last: viewTwin(stored), current: null } } };
}

function isBehind(requested: TwinVersion, stored: TwinVersion | undefined): boolean {
  return stored !== undefined && (stored.cloud > requested.cloud || stored.edge > requested.edge);
}
