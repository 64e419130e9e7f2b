import type { ResourceDefinition } from "../resources/resource-definition.ts";

export const METRICS_GROUP = "metrics.k8s.io";

/** What `kubectl top` reads: measured when asked for, never stored. */
export function metricsDefinitions(): ResourceDefinition[] {
  return [measured("NodeMetrics", "nodes", false), measured("PodMetrics", "pods", true)];
}

function measured(kind: string, resource: string, namespaced: boolean): ResourceDefinition {
  return {
    type: { group: METRICS_GROUP, version: "v1beta1", kind, resource, namespaced },
    listKind: `${kind}List`,
    singular: "",
    shortNames: [],
    categories: [],
    verbs: ["get", "list"],
    hasStatus: false,
    columns: [],
    prune: () => [],
    applyDefaults: () => undefined,
    prepareCreate: () => undefined,
    prepareUpdate: () => undefined,
    validate: () => [],
    cells: () => [],
    selectableFields: () => ({}),
  };
}
