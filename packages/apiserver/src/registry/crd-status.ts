import type { CustomResourceDefinition } from "@kedge/kube";
import type { ResourceDefinition } from "../resources/resource-definition.ts";
import { timestamp } from "../rest/timestamp.ts";

/** Keeps a definition until its last object is gone. */
export const CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";

type Status = NonNullable<CustomResourceDefinition["status"]>;
type Condition = NonNullable<Status["conditions"]>[number];

/** @returns in words, which name something else has already; undefined: all are free. */
export function findNameConflict(
  { spec }: CustomResourceDefinition,
  served: Iterable<ResourceDefinition>,
): string | undefined {
  const { group, names } = spec;
  const { plural, singular = names.kind.toLowerCase(), kind, listKind = `${kind}List`, shortNames = [] } = names;
  for (const other of served) {
    if (other.type.group !== group || other.type.resource === plural) continue;
    const taken = [other.type.resource, other.singular, ...other.shortNames];
    const wanted = [plural, singular, ...shortNames].find((name) => taken.includes(name));
    if (wanted !== undefined) return `"${wanted}" is already in use`;
    if (other.type.kind === kind) return `"${kind}" is already in use`;
    if (other.listKind === listKind) return `"${listKind}" is already in use`;
  }
  return undefined;
}

/** Says whether the definition is served. @param crd in place */
export function establishedStatus(crd: CustomResourceDefinition, conflict: string | undefined, nowMs: number): void {
  const { names, versions } = crd.spec;
  const storageVersion = versions.find(({ storage }) => storage)?.name;
  const stored = crd.status?.storedVersions ?? [];
  const acceptedNames = {
    ...names,
    singular: names.singular ?? names.kind.toLowerCase(),
    listKind: names.listKind ?? `${names.kind}List`,
  };
  const conditions =
    conflict === undefined
      ? [
          condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
          condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ]
      : [
          condition("NamesAccepted", "False", "NameConflict", conflict),
          condition("Established", "False", "NotAccepted", "not all names are accepted"),
        ];
  Object.assign(crd, {
    status: {
      ...crd.status,
      acceptedNames: conflict === undefined ? acceptedNames : { plural: "", kind: "" },
      storedVersions:
        storageVersion === undefined || stored.includes(storageVersion) ? stored : [...stored, storageVersion],
      conditions: merged(crd.status?.conditions ?? [], conditions, nowMs),
    },
  });
}

/** Says that the definition waits for its objects' end. @param crd in place */
export function terminatingStatus(crd: CustomResourceDefinition, nowMs: number): void {
  const terminating = condition(
    "Terminating",
    "True",
    "InstanceDeletionInProgress",
    "CustomResource deletion is in progress",
  );
  Object.assign(crd, {
    status: { ...crd.status, conditions: merged(crd.status?.conditions ?? [], [terminating], nowMs) },
  });
}

function condition(type: string, status: string, reason: string, message: string): Condition {
  return { type, status, reason, message };
}

/** The time of a condition is when its status last changed. */
function merged(present: readonly Condition[], next: readonly Condition[], nowMs: number): Condition[] {
  const kept = present.filter(({ type }) => !next.some((one) => one.type === type));
  const set = next.map((one) => {
    const before = present.find(({ type }) => type === one.type);
    const lastTransitionTime =
      before?.status === one.status ? (before.lastTransitionTime ?? timestamp(nowMs)) : timestamp(nowMs);
    return { ...one, lastTransitionTime };
  });
  return [...kept, ...set];
}
