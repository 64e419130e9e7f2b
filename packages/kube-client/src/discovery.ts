import { KubeApiError, type ResourceType } from "@kedge/kube";
import { toError } from "@kedge/runtime";
import type { KubeClient } from "./kube-client.ts";

/** API groups and resources of one server; more means that it lies. */
const GROUPS_MAX = 2_000;
const RESOURCES_OF_GROUP_MAX = 2_000;

export interface DiscoveredResource {
  readonly type: ResourceType;
  readonly verbs: readonly string[];
}

export interface Discovery {
  /** Each resource once, in its group's preferred version where that has it. No subresources. */
  readonly resources: readonly DiscoveredResource[];
  /** Group versions that could not be asked, such as those of an aggregated server that is down. */
  readonly failed: readonly { readonly groupVersion: string; readonly error: Error }[];
}

interface ApiGroup {
  readonly name: string;
  readonly versions?: readonly { readonly groupVersion: string; readonly version: string }[];
  readonly preferredVersion?: { readonly groupVersion: string; readonly version: string };
}

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs?: readonly string[];
}

/** What the server serves. @throws KubeApiError, KubeClientError when it does not even tell its groups. */
export async function discoverResources(kube: KubeClient, signal: AbortSignal): Promise<Discovery> {
  const { groups = [] } = await getJson<{ groups?: readonly ApiGroup[] }>(kube, "/apis", signal);
  const core = { groupVersion: "v1", version: "v1" };
  const all: ApiGroup[] = [{ name: "", versions: [core], preferredVersion: core }, ...groups.slice(0, GROUPS_MAX)];
  const found = await Promise.all(all.map((group) => discoverGroup(kube, group, signal)));
  return { resources: found.flatMap(({ resources }) => resources), failed: found.flatMap(({ failed }) => failed) };
}

async function discoverGroup(kube: KubeClient, group: ApiGroup, signal: AbortSignal): Promise<Discovery> {
  const preferred = group.preferredVersion;
  const versions = [...(group.versions ?? [])].sort(
    (a, b) => Number(b.groupVersion === preferred?.groupVersion) - Number(a.groupVersion === preferred?.groupVersion),
  );
  const byName = new Map<string, DiscoveredResource>();
  const failed: { groupVersion: string; error: Error }[] = [];
  for (const { groupVersion, version } of versions) {
    const path = group.name === "" ? `/api/${version}` : `/apis/${groupVersion}`;
    try {
      const { resources = [] } = await getJson<{ resources?: readonly ApiResource[] }>(kube, path, signal);
      for (const { name, kind, namespaced, verbs = [] } of resources.slice(0, RESOURCES_OF_GROUP_MAX)) {
        if (name.includes("/") || byName.has(name)) continue;
        byName.set(name, { type: { group: group.name, version, kind, resource: name, namespaced }, verbs });
      }
    } catch (error) {
      signal.throwIfAborted();
      failed.push({ groupVersion, error: toError(error) });
    }
  }
  return { resources: [...byName.values()], failed };
}

async function getJson<T>(kube: KubeClient, path: string, signal: AbortSignal): Promise<T> {
  const { status, body } = await kube.raw("GET", path, signal);
  if (status !== 200)
    throw new KubeApiError({
      code: status,
      reason: "Unknown",
      message: `${path}: HTTP ${status}: ${body.slice(0, 200)}`,
    });
  return JSON.parse(body) as T;
}
