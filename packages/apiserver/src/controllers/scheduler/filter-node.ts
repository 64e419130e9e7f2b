import { matchesNodeAffinity, type Pod, type Taint, tolerates, untoleratedTaint } from "@kedge/kube";
import { hostPortsOf, type NodeView, portsConflict } from "./node-view.ts";
import type { Amounts } from "./pod-requests.ts";

const UNSCHEDULABLE_TAINT: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/**
 * Why this pod cannot run on this node, in kube-scheduler's words, or nothing. The checks go in its order and the first
 * that fails speaks alone, except that all missing resources are told together.
 */
export function filterNode(pod: Pod, requests: Amounts, view: NodeView): readonly string[] {
  const { node } = view;
  const tolerations = pod.spec?.tolerations;
  if (node.spec?.unschedulable === true && !tolerations?.some((each) => tolerates(each, UNSCHEDULABLE_TAINT)))
    return ["node(s) were unschedulable"];
  if (pod.spec?.nodeName !== undefined && pod.spec.nodeName !== view.name)
    return ["node(s) didn't match the requested node name"];
  if (untoleratedTaint(node.spec?.taints, tolerations, ["NoSchedule", "NoExecute"]) !== undefined)
    return ["node(s) had untolerated taint(s)"];
  if (!matchesNodeAffinity(pod, node)) return ["node(s) didn't match Pod's node affinity/selector"];
  const wanted = hostPortsOf(pod);
  if (wanted.some((port) => view.hostPorts.some((used) => portsConflict(port, used))))
    return ["node(s) didn't have free ports for the requested pod ports"];
  return missingResources(requests, view);
}

function missingResources(requests: Amounts, { allocatable, requested, pods }: NodeView): string[] {
  const missing: string[] = [];
  const podsMax = Number((allocatable["pods"] ?? 0n) / 1_000_000_000n);
  if (pods.length + 1 > podsMax) missing.push("Too many pods");
  for (const [name, amount] of Object.entries(requests))
    if (amount > 0n && amount > (allocatable[name] ?? 0n) - (requested[name] ?? 0n))
      missing.push(`Insufficient ${name}`);
  return missing;
}
