import type { MsgTwin, TwinValue, TwinVersion } from "./twin-payloads.ts";
import { DELETED } from "./twin-value.ts";

/** One side of a twin as it is stored. */
export interface TwinPart {
  /** Empty: never set, or set to nothing. `null`: removed. */
  readonly value: string | null;
  /** When it was set, ms. */
  readonly timestamp?: number | undefined;
  readonly version?: TwinVersion | undefined;
}

/** A row of `device_twin`. */
export interface StoredTwin {
  readonly name: string;
  readonly expected: TwinPart;
  readonly actual: TwinPart;
  readonly optional: boolean;
  /** `deleted`: a tombstone. */
  readonly type: string;
  /** Column `metadata`, kept as it is: `{}` if the creator sent metadata, else empty. */
  readonly metadata: string;
}

export type Side = "expected" | "actual";
export const SIDES: readonly Side[] = ["expected", "actual"];
export const UNSET: TwinPart = { value: "" };

export function isTombstone(twin: StoredTwin): boolean {
  return twin.type === DELETED;
}

/** How MQTT clients see a twin; a side without value is left out, unless it is one of `touched`. */
export function viewTwin(twin: StoredTwin, touched: readonly Side[] = []): MsgTwin {
  return { ...viewSides(twin, SIDES, touched), optional: twin.optional, metadata: { type: twin.type } };
}

/** These sides of a twin with their versions, as the cloud hears of them. */
export function viewForCloud(twin: StoredTwin, sides: readonly Side[], touched: readonly Side[] = sides): MsgTwin {
  return {
    ...viewSides(twin, sides, touched),
    optional: twin.optional,
    metadata: { type: twin.type },
    ...versionsOf(twin, sides),
  };
}

/** What the cloud hears of a twin that was removed. */
export function viewRemoval(twin: StoredTwin): MsgTwin {
  return {
    expected: {},
    actual: {},
    optional: twin.optional,
    metadata: { type: DELETED },
    ...versionsOf(twin, SIDES),
  };
}

function viewSides(twin: StoredTwin, sides: readonly Side[], touched: readonly Side[]): MsgTwin {
  const view: { expected?: TwinValue; actual?: TwinValue } = {};
  for (const side of sides) {
    const { value, timestamp } = twin[side];
    if (value === null || (value === "" && !(touched.includes(side) && timestamp !== undefined))) continue;
    view[side] = { value, ...(timestamp !== undefined && { metadata: { timestamp } }) };
  }
  return view;
}

function versionsOf(twin: StoredTwin, sides: readonly Side[]): MsgTwin {
  const versions: { expected_version?: TwinVersion; actual_version?: TwinVersion } = {};
  for (const side of sides) {
    const { version } = twin[side];
    if (version !== undefined) versions[`${side}_version`] = version;
  }
  return versions;
}

/** A tombstone; the sides' versions, as far as there are any, are made by `next`. */
export function buryTwin(twin: StoredTwin, next: (side: Side) => TwinVersion | undefined): StoredTwin {
  return {
    ...twin,
    type: DELETED,
    expected: { value: null, version: next("expected") },
    actual: { value: null, version: next("actual") },
  };
}
