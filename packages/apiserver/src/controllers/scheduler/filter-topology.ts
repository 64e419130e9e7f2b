import { type Pod, type PodAffinityTerm, selectorMatches } from "@kedge/kube";
import type { NodeView } from "./node-view.ts";

const MISSING_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)";
const SKEWED = "node(s) didn't match pod topology spread constraints";

/** Judges a node by what runs on all nodes. @returns why it does not do, in kube-scheduler's words, or nothing. */
export type TopologyFilter = (view: NodeView) => readonly string[];

/**
 * Required pod affinity and anti-affinity (of the pod, and of those that run against it), and topology spread
 * constraints with `DoNotSchedule`.
 *
 * @param eligible the nodes that the pod's own affinity and the nodes' taints allow; spread is measured over them.
 * @param labelsOfNamespace for `namespaceSelector`.
 */
export function topologyFilter(
  pod: Pod,
  all: readonly NodeView[],
  eligible: readonly NodeView[],
  labelsOfNamespace: (namespace: string) => Readonly<Record<string, string>>,
): TopologyFilter {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  const required = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const forbidden = podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const selects = (term: PodAffinityTerm, owner: Pod, other: Pod) => termSelects(term, owner, other, labelsOfNamespace);

  const near = required.map((term) => ({
    term,
    domains: domainsWith(all, term, (other) => selects(term, pod, other)),
  }));
  const far = forbidden.map((term) => ({
    term,
    domains: domainsWith(all, term, (other) => selects(term, pod, other)),
  }));
  const closed = closedDomains(pod, all, selects);
  const spread = spreadConstraints(pod, eligible);

  return (view) => {
    for (const { constraint, counts, least } of spread) {
      const domain = view.labels[constraint.topologyKey];
      if (domain === undefined) return [MISSING_LABEL];
      const self = selectorMatches(constraint.labelSelector, pod.metadata?.labels) ? 1 : 0;
      if ((counts.get(domain) ?? 0) + self - least > constraint.maxSkew) return [SKEWED];
    }
    for (const { term, domains } of near) {
      const domain = view.labels[term.topologyKey];
      // The first of a group that wants to be together has nobody to be near to.
      const first = domains.size === 0 && selects(term, pod, pod);
      if (domain === undefined || !(domains.has(domain) || first)) return ["node(s) didn't match pod affinity rules"];
    }
    for (const { term, domains } of far) {
      const domain = view.labels[term.topologyKey];
      if (domain !== undefined && domains.has(domain)) return ["node(s) didn't match pod anti-affinity rules"];
    }
    for (const { key, domain } of closed)
      if (view.labels[key] === domain) return ["node(s) didn't satisfy existing pods anti-affinity rules"];
    return [];
  };
}

/** Domains where somebody runs who does not want this pod near. */
function closedDomains(
  pod: Pod,
  all: readonly NodeView[],
  selects: (term: PodAffinityTerm, owner: Pod, other: Pod) => boolean,
): { key: string; domain: string }[] {
  const closed: { key: string; domain: string }[] = [];
  for (const view of all)
    for (const other of view.pods)
      for (const term of other.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
        const domain = view.labels[term.topologyKey];
        if (domain !== undefined && selects(term, other, pod)) closed.push({ key: term.topologyKey, domain });
      }
  return closed;
}

function domainsWith(all: readonly NodeView[], term: PodAffinityTerm, selects: (pod: Pod) => boolean): Set<string> {
  const domains = new Set<string>();
  for (const view of all) {
    const domain = view.labels[term.topologyKey];
    if (domain !== undefined && view.pods.some(selects)) domains.add(domain);
  }
  return domains;
}

function termSelects(
  term: PodAffinityTerm,
  owner: Pod,
  other: Pod,
  labelsOfNamespace: (namespace: string) => Readonly<Record<string, string>>,
): boolean {
  const namespace = other.metadata?.namespace ?? "";
  const { namespaces = [], namespaceSelector } = term;
  const own = namespaces.length === 0 && namespaceSelector === undefined && namespace === owner.metadata?.namespace;
  const listed = namespaces.includes(namespace);
  const selected = namespaceSelector !== undefined && selectorMatches(namespaceSelector, labelsOfNamespace(namespace));
  return (own || listed || selected) && selectorMatches(term.labelSelector, other.metadata?.labels);
}

function spreadConstraints(pod: Pod, eligible: readonly NodeView[]) {
  const constraints = (pod.spec?.topologySpreadConstraints ?? []).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable === "DoNotSchedule",
  );
  return constraints.map((constraint) => {
    const counts = new Map<string, number>();
    for (const view of eligible) {
      const domain = view.labels[constraint.topologyKey];
      if (domain === undefined) continue;
      const matching = view.pods.filter(
        (other) =>
          other.metadata?.namespace === pod.metadata?.namespace &&
          other.metadata?.deletionTimestamp === undefined &&
          selectorMatches(constraint.labelSelector, other.metadata?.labels),
      );
      counts.set(domain, (counts.get(domain) ?? 0) + matching.length);
    }
    const enough = counts.size >= ((constraint as { minDomains?: number }).minDomains ?? 1);
    return { constraint, counts, least: enough && counts.size > 0 ? Math.min(...counts.values()) : 0 };
  });
}
