import { isJsonObject, type JsonObject, type KubeObject } from "@kedge/kube";

/** Member of `events.k8s.io/v1` → member of `v1` that means the same. Members that are not here have one name in both. */
const RENAMED: readonly (readonly [events: string, core: string])[] = [
  ["regarding", "involvedObject"],
  ["note", "message"],
  ["reportingController", "reportingComponent"],
  ["deprecatedSource", "source"],
  ["deprecatedFirstTimestamp", "firstTimestamp"],
  ["deprecatedLastTimestamp", "lastTimestamp"],
  ["deprecatedCount", "count"],
];

/** An event of `events.k8s.io/v1` as it is stored: as one of `v1`. */
export function eventToStorage(event: KubeObject): KubeObject {
  return renamed(event, "v1", new Map(RENAMED));
}

/** A stored event, of `v1`, as `events.k8s.io/v1` shows it. */
export function eventFromStorage(event: KubeObject): KubeObject {
  const shown = renamed(event, "events.k8s.io/v1", new Map(RENAMED.map(([events, core]) => [core, events])));
  // Both are structs there, and shown even when they are empty.
  const members = shown as unknown as JsonObject;
  for (const name of ["regarding", "deprecatedSource"]) if (!isJsonObject(members[name])) members[name] = {};
  return shown;
}

function renamed(event: KubeObject, apiVersion: string, names: ReadonlyMap<string, string>): KubeObject {
  const members = Object.entries(event).map(([name, value]) => [names.get(name) ?? name, value as unknown]);
  return { ...(Object.fromEntries(members) as KubeObject), apiVersion };
}
