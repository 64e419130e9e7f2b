import { type Namespace, type NamespaceCondition, withCondition } from "@kedge/kube";

/** What is still in a namespace that shall go. */
export interface Remains {
  /** Resource, as `pods.` or `deployments.apps`, → objects left. */
  readonly resources: ReadonlyMap<string, number>;
  /** Finalizer → objects that carry it. */
  readonly finalizers: ReadonlyMap<string, number>;
  /** Parts of the API that could not be asked. */
  readonly discoveryErrors: readonly string[];
  /** Deletions that were refused. */
  readonly contentErrors: readonly string[];
}

export function isEmpty(remains: Remains): boolean {
  const { resources, discoveryErrors, contentErrors } = remains;
  return resources.size === 0 && discoveryErrors.length === 0 && contentErrors.length === 0;
}

/** The conditions that tell a user why a namespace does not go away. */
export function deletionConditions(namespace: Namespace, remains: Remains, nowIso: string): NamespaceCondition[] {
  const { resources, finalizers, discoveryErrors, contentErrors } = remains;
  const told = (type: string, holds: boolean, yes: [string, string], no: [string, string]): NamespaceCondition => {
    const [reason, message] = holds ? yes : no;
    return { type, status: holds ? "True" : "False", reason, message };
  };
  const list = (counts: ReadonlyMap<string, number>, verb: "has" | "in") =>
    [...counts].map(([name, count]) => `${name} ${verb} ${count} resource instances`).join(", ");
  const conditions = [
    told(
      "NamespaceDeletionDiscoveryFailure",
      discoveryErrors.length > 0,
      ["DiscoveryFailed", `Discovery failed for some groups: ${discoveryErrors.join("; ")}`],
      ["ResourcesDiscovered", "All resources successfully discovered"],
    ),
    told(
      "NamespaceDeletionContentFailure",
      contentErrors.length > 0,
      ["ContentDeletionFailed", `Failed to delete all resource types: ${contentErrors.join("; ")}`],
      ["ContentDeleted", "All content successfully deleted, may be waiting on finalization"],
    ),
    told(
      "NamespaceContentRemaining",
      resources.size > 0,
      ["SomeResourcesRemain", `Some resources are remaining: ${list(resources, "has")}`],
      ["ContentRemoved", "All content successfully removed"],
    ),
    told(
      "NamespaceFinalizersRemaining",
      finalizers.size > 0,
      ["SomeFinalizersRemain", `Some content in the namespace has finalizers remaining: ${list(finalizers, "in")}`],
      ["ContentHasNoFinalizers", "All content-preserving finalizers finished"],
    ),
  ];
  return conditions.reduce(
    (all, condition) => withCondition(all, condition, nowIso),
    namespace.status?.conditions ?? [],
  );
}
