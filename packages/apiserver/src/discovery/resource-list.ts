import { apiVersionOf } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { type SubresourceInfo, subresourcesOf } from "../rest/subresources/subresource-table.ts";

/** The group's newest stable version first, as Kubernetes orders versions: v2, v1, v1beta2, v1beta1, v1alpha1, others. */
export function compareApiVersions(left: string, right: string): number {
  const a = rank(left);
  const b = rank(right);
  if (a === undefined || b === undefined) {
    if (a !== b) return a === undefined ? 1 : -1;
    return left < right ? -1 : left > right ? 1 : 0;
  }
  for (const [index, value] of a.entries()) {
    const difference = (b[index] ?? 0) - value;
    if (difference !== 0) return difference;
  }
  return 0;
}

const STABILITY: Readonly<Record<string, number>> = { alpha: 0, beta: 1 };

function rank(version: string): [stability: number, major: number, minor: number] | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return undefined;
  const [, major, stage, minor = "0"] = match;
  return [stage === undefined ? 2 : (STABILITY[stage] ?? 0), Number(major), Number(minor)];
}

/** What is served, by group and then by version, both in the order in which they are announced. */
export function byGroupVersion(
  definitions: Iterable<ResourceDefinition>,
): Map<string, Map<string, ResourceDefinition[]>> {
  const groups = new Map<string, Map<string, ResourceDefinition[]>>();
  for (const definition of definitions) {
    const { group, version } = definition.type;
    const versions = groups.get(group) ?? new Map<string, ResourceDefinition[]>();
    groups.set(group, versions.set(version, [...(versions.get(version) ?? []), definition]));
  }
  for (const [group, versions] of groups)
    groups.set(group, new Map([...versions].toSorted(([a], [b]) => compareApiVersions(a, b))));
  return groups;
}

/** `/api/v1` and `/apis/<group>/<version>`. */
export function apiResourceList(definitions: readonly ResourceDefinition[], groupVersion: string): object {
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion,
    resources: definitions.flatMap((definition) => [
      {
        name: definition.type.resource,
        singularName: definition.singular,
        namespaced: definition.type.namespaced,
        kind: definition.type.kind,
        verbs: definition.verbs,
        ...(definition.shortNames.length > 0 && { shortNames: definition.shortNames }),
        ...(definition.categories.length > 0 && { categories: definition.categories }),
        storageVersionHash: undefined,
      },
      ...subresourcesOf(definition).map((subresource) => apiSubresource(definition, subresource)),
    ]),
  };
}

function apiSubresource({ type }: ResourceDefinition, { name, kind, group, version, verbs }: SubresourceInfo): object {
  return {
    name: `${type.resource}/${name}`,
    singularName: "",
    namespaced: type.namespaced,
    kind: kind ?? type.kind,
    ...(group !== undefined && { group }),
    ...(version !== undefined && { version }),
    verbs,
  };
}

/** `/apis`. */
export function apiGroupList(definitions: Iterable<ResourceDefinition>): object {
  const groups = [...byGroupVersion(definitions)].filter(([group]) => group !== "");
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(([name, versions]) => apiGroup(name, versions)) };
}

/** `/apis/<group>`. */
export function apiGroup(name: string, versions: ReadonlyMap<string, unknown>): object {
  const list = [...versions.keys()].map((version) => ({
    groupVersion: apiVersionOf({ group: name, version }),
    version,
  }));
  return { name, versions: list, preferredVersion: list[0] };
}

/** `apidiscovery.k8s.io/v2`: everything under `/api`, or everything under `/apis`, in one answer. */
export function aggregatedDiscovery(
  definitions: Iterable<ResourceDefinition>,
  root: "api" | "apis",
  version: "v2" | "v2beta1",
): object {
  const groups = [...byGroupVersion(definitions)].filter(([group]) => (group === "") === (root === "api"));
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: { ...(group !== "" && { name: group }), creationTimestamp: null },
      versions: [...versions].map(([name, served]) => ({
        version: name,
        freshness: "Current",
        resources: served.map((definition) => aggregatedResource(definition)),
      })),
    })),
  };
}

function aggregatedResource(definition: ResourceDefinition): object {
  const { type, verbs, shortNames, categories, singular } = definition;
  const subresources = subresourcesOf(definition);
  return {
    resource: type.resource,
    responseKind: { group: type.group, version: type.version, kind: type.kind },
    scope: type.namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(subresources.length > 0 && {
      subresources: subresources.map(({ name, kind, group, version, verbs: subVerbs }) => ({
        subresource: name,
        responseKind: { group: group ?? type.group, version: version ?? type.version, kind: kind ?? type.kind },
        verbs: subVerbs,
      })),
    }),
  };
}
