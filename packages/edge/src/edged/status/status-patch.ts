import type { PodCondition, PodStatus } from "@kedge/kube";
import { isOwnCondition } from "./foreign-conditions.ts";
import { PASSING_CONDITIONS } from "./pod-conditions.ts";

/** Lists that the API server merges by this key; all others it replaces as a whole. */
const MERGED_BY: Partial<Record<keyof PodStatus, string>> = { conditions: "type", podIPs: "ip", hostIPs: "ip" };

/** What a kubelet reports; all else in a status is of others, and stays. */
const OWN_MEMBERS: readonly (keyof PodStatus)[] = [
  "observedGeneration",
  "phase",
  "reason",
  "message",
  "conditions",
  "hostIP",
  "hostIPs",
  "podIP",
  "podIPs",
  "startTime",
  "initContainerStatuses",
  "containerStatuses",
  "ephemeralContainerStatuses",
  "qosClass",
];

/**
 * The change as a strategic merge patch of `metadata.uid` and `status`. The uid makes the API server refuse it if
 * another pod has taken the name by now.
 *
 * @param before what the API server has.
 * @returns JSON, or `undefined` if there is nothing to tell.
 */
export function statusPatch(uid: string, before: PodStatus, after: PodStatus): string | undefined {
  const status: Record<string, unknown> = {};
  for (const key of OWN_MEMBERS) {
    if (isSame(before[key], after[key])) continue;
    if (MERGED_BY[key] === undefined) status[key] = after[key] ?? null;
    else {
      const list = mergeList(key, before, after);
      // Of such a list the API server keeps the order: another one is no news, or we would tell it for ever.
      if (list.length > 0) status[key] = list;
    }
  }
  return Object.keys(status).length === 0 ? undefined : JSON.stringify({ metadata: { uid }, status });
}

function mergeList(key: keyof PodStatus, before: PodStatus, after: PodStatus): unknown[] {
  const mergeKey = MERGED_BY[key] ?? "";
  const itemsOf = (list: unknown) => (Array.isArray(list) ? (list as Record<string, unknown>[]) : []);
  const [olds, news] = [itemsOf(before[key]), itemsOf(after[key])];
  const gone = olds
    .filter((old) => !news.some((item) => item[mergeKey] === old[mergeKey]))
    // What others have added since we looked is not ours to delete.
    .filter((old) => key !== "conditions" || PASSING_CONDITIONS.includes(String(old["type"])))
    .map((old) => ({ $patch: "delete", [mergeKey]: old[mergeKey] }));
  const changed = news
    .filter((item) => key !== "conditions" || isOwnCondition(item as unknown as PodCondition))
    .filter((item) => !olds.some((old) => isSame(old, item)))
    .map((item) =>
      withNulls(
        olds.find((old) => old[mergeKey] === item[mergeKey]),
        item,
      ),
    );
  return [...gone, ...changed];
}

/** A member that went away must be named, or it stays. */
function withNulls(old: Record<string, unknown> | undefined, item: Record<string, unknown>): Record<string, unknown> {
  const removed = Object.keys(old ?? {}).filter((key) => !(key in item) && old?.[key] !== null);
  return { ...item, ...Object.fromEntries(removed.map((key) => [key, null])) };
}

/** As the API server would see it: no order of members, and what is empty is absent. */
export function isSame(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(strip(value) ?? null);
}

function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((item) => strip(item) ?? null);
  if (typeof value !== "object" || value === null) return value ?? undefined;
  const members = Object.entries(value)
    .map(([key, member]) => [key, strip(member)] as const)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return members.length === 0 ? undefined : Object.fromEntries(members);
}
