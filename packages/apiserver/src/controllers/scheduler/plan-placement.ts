import { matchesNodeAffinity, type Pod, untoleratedTaint } from "@kedge/kube";
import { filterNode } from "./filter-node.ts";
import { topologyFilter } from "./filter-topology.ts";
import type { NodeView } from "./node-view.ts";
import { podRequests } from "./pod-requests.ts";
import type { VolumeFit } from "./pod-volumes.ts";
import { scoreNode } from "./score-node.ts";

export type Placement =
  | { readonly nodeName: string }
  /** In kube-scheduler's words: `0/2 nodes are available: 1 Insufficient cpu, …`. */
  | { readonly nodeName?: undefined; readonly message: string };

/** Where a pod shall run. @param labelsOfNamespace for pod affinity across namespaces. @param volumes what its claims allow. */
export function planPlacement(
  pod: Pod,
  nodes: readonly NodeView[],
  labelsOfNamespace: (namespace: string) => Readonly<Record<string, string>>,
  volumes: VolumeFit = { filter: () => [], unbound: [] },
): Placement {
  if (nodes.length === 0) return { message: "no nodes available to schedule pods" };
  const gates = (pod.spec as { schedulingGates?: readonly { name: string }[] } | undefined)?.schedulingGates ?? [];
  if (gates.length > 0)
    return {
      message: `Scheduling is blocked due to non-empty scheduling gates: ${gates.map(({ name }) => name).join(", ")}`,
    };
  if (volumes.refusal !== undefined) return { message: `0/${nodes.length} nodes are available: ${volumes.refusal}.` };
  const requests = podRequests(pod);
  const eligible = nodes.filter(
    ({ node }) =>
      matchesNodeAffinity(pod, node) &&
      untoleratedTaint(node.spec?.taints, pod.spec?.tolerations, ["NoSchedule", "NoExecute"]) === undefined,
  );
  const filterTopology = topologyFilter(pod, nodes, eligible, labelsOfNamespace);
  const counts = new Map<string, number>();
  let best: { readonly nodeName: string; readonly score: number } | undefined;
  for (const view of nodes) {
    let reasons = filterNode(pod, requests, view);
    if (reasons.length === 0) reasons = volumes.filter(view);
    if (reasons.length === 0) reasons = filterTopology(view);
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    if (reasons.length > 0) continue;
    const score = scoreNode(pod, requests, view);
    if (best === undefined || score > best.score) best = { nodeName: view.name, score };
  }
  if (best !== undefined) return { nodeName: best.nodeName };
  const told = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return { message: `0/${nodes.length} nodes are available: ${told.join(", ")}.` };
}
