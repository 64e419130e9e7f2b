import type { Device } from "@kedge/api";
import { isTombstone, type StoredTwin, UNSET, viewTwin } from "./stored-twin.ts";
import type { TwinDocumentEntry } from "./twin-payloads.ts";
import { checkTwinType, STRING } from "./twin-value.ts";

/** Property → desired value; `null`: it has none. */
export type DesiredValues = Readonly<Record<string, string | null>>;

/** What the Device says about its properties. An empty value is what Go writes where there is none. */
export function desiredValues(device: Device): DesiredValues {
  const values: [string, string | null][] = [];
  for (const { name, desired } of device.spec?.properties ?? []) {
    if (name === undefined) continue;
    values.push([name, desired === undefined || desired.value === "" ? null : desired.value]);
  }
  return Object.fromEntries(values);
}

/** The twin's type that the Device names for a property, in the words of §3.5. */
export function desiredType(device: Device, name: string): string {
  const property = device.spec?.properties?.find((candidate) => candidate.name === name);
  switch (property?.desired?.metadata?.["type"]?.toLowerCase()) {
    case "int":
    case "integer":
      return "int";
    case "float":
    case "double":
      return "float";
    case "bool":
    case "boolean":
      return "boolean";
    default:
      return STRING;
  }
}

export type DesiredPlan =
  | { readonly kind: "unchanged" }
  /** The value is not of the twin's type. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "changed"; readonly twin: StoredTwin; readonly document: TwinDocumentEntry };

/**
 * Decides what a desired value of the Device does to the twin. Only a change in the Device counts: a value that a client
 * of this node expects meanwhile stays until the Device says something else.
 *
 * @param before what the Device said last; undefined: nothing of this property.
 * @param desired `null`: the Device has no wish any more.
 */
export function planDesired(
  name: string,
  stored: StoredTwin | undefined,
  before: string | null | undefined,
  desired: string | null,
  type: string,
  now: number,
): DesiredPlan {
  if (desired === (before ?? null)) return { kind: "unchanged" };
  if (desired === (stored?.expected.value ?? "") && stored !== undefined && !isTombstone(stored))
    return { kind: "unchanged" };
  if (desired === null && (stored === undefined || (stored.expected.value ?? "") === "")) return { kind: "unchanged" };
  const last = stored === undefined || isTombstone(stored) ? undefined : stored;
  const wanted = checkTwinType(type, desired ?? "") === undefined ? type : STRING;
  const effectiveType = last?.type ?? wanted;
  const reason = desired === null ? undefined : checkTwinType(effectiveType, desired);
  if (reason !== undefined) return { kind: "refused", reason };
  const { cloud = 0, edge = 0 } = stored?.expected.version ?? {};
  const twin: StoredTwin = {
    ...(stored ?? { name, optional: true, metadata: "{}", actual: UNSET }),
    type: effectiveType,
    expected: { value: desired ?? "", timestamp: now, version: { cloud: cloud + 1, edge } },
  };
  return {
    kind: "changed",
    twin,
    document: { last: last === undefined ? null : viewTwin(last), current: viewTwin(twin) },
  };
}
