import type { PodCondition, PodStatus } from "@kedge/kube";
import { isOwnCondition } from "./foreign-conditions.ts";
import { PASSING_CONDITIONS } from "./pod-conditions.ts";

/** Lists that the API server would merge; all others it replaces as a whole. */
const MERGED: readonly (keyof PodStatus)[] = ["conditions", "podIPs", "hostIPs"];

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
    if (!MERGED.includes(key)) status[key] = after[key] ?? null;
    else {
      const list = key === "conditions" ? mergeConditions(before, after) : whole(after[key]);
      // Of conditions the API server keeps the order: another one is no news, or we would tell it for ever.
      if (list.length > 0) status[key] = list;
    }
  }
  return Object.keys(status).length === 0 ? undefined : JSON.stringify({ metadata: { uid }, status });
}

/**
 * Addresses are ours alone, and told whole: an API server that has others than we believe, as after a power cut while it was away,
 * would keep the old one beside the new one, and refuse two of one family.
 */
function whole(list: unknown): unknown[] {
  return [{ $patch: "replace" }, ...(Array.isArray(list) ? (list as unknown[]) : [])];
}

function mergeConditions({ conditions: olds = [] }: PodStatus, { conditions: news = [] }: PodStatus): unknown[] {
  const gone = olds
    .filter(({ type }) => !news.some((item) => item.type === type))
    // What others have added since we looked is not ours to delete.
    .filter(({ type }) => PASSING_CONDITIONS.includes(type))
    .map(({ type }) => ({ $patch: "delete", type }));
  const changed = news
    .filter(isOwnCondition)
    .filter((item) => !olds.some((old) => isSame(old, item)))
    .map((item) =>
      withNulls(
        olds.find(({ type }) => type === item.type),
        item,
      ),
    );
  return [...gone, ...changed];
}

/** A member that went away must be named, or it stays. */
function withNulls(old: PodCondition | undefined, item: PodCondition): Record<string, unknown> {
  const removed = Object.entries(old ?? {}).flatMap(([key, value]) => (key in item || value === null ? [] : [key]));
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
