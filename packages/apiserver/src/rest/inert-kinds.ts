import type { ResourceType } from "@kedge/kube";

/** Kinds that this control plane stores and serves, and that no controller of its own acts on; `group/resource`. */
const INERT: ReadonlySet<string> = new Set([
  "/limitranges",
  "/replicationcontrollers",
  "/resourcequotas",
  "apps/statefulsets",
  "autoscaling/horizontalpodautoscalers",
  "batch/cronjobs",
  "batch/jobs",
  "networking.k8s.io/ingresses",
  "networking.k8s.io/networkpolicies",
  "policy/poddisruptionbudgets",
]);

/** What its author should know who writes such an object: it will not do what it says. */
export function inertWarnings({ group, resource, kind }: ResourceType): string[] {
  if (!INERT.has(`${group}/${resource}`)) return [];
  return [
    `this ${kind} is stored, but nothing acts on it: the embedded control plane has no controller for ${resource}`,
  ];
}
