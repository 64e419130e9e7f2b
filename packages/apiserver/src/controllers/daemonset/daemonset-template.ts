import { createHash } from "node:crypto";
import {
  canonicalJson,
  controllerReference,
  type ControllerRevision,
  DAEMON_SETS,
  type DaemonSet,
  equalJson,
  matchesNodeAffinity,
  type Node,
  type Pod,
  type PodTemplateSpec,
  type Toleration,
  untoleratedTaint,
} from "@kedge/kube";
import { podFromTemplate } from "../pods/pod-from-template.ts";

export const REVISION_HASH = "controller-revision-hash";
const GENERATION_LABEL = "pod-template-generation";
const GENERATION_ANNOTATION = "deprecated.daemonset.template.generation";
const HASH_CHARACTERS = 10;
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** A daemon belongs to its node: it stays while that is unreachable, and comes while that is under pressure. */
const OWN_TOLERATIONS: readonly Toleration[] = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/pid-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/unschedulable", operator: "Exists", effect: "NoSchedule" },
];
const NETWORK_TOLERATION: Toleration = {
  key: "node.kubernetes.io/network-unavailable",
  operator: "Exists",
  effect: "NoSchedule",
};

export function daemonTolerations(template: PodTemplateSpec): Toleration[] {
  const own = template.spec?.hostNetwork === true ? [...OWN_TOLERATIONS, NETWORK_TOLERATION] : OWN_TOLERATIONS;
  const given = template.spec?.tolerations ?? [];
  return [...given, ...own.filter((toleration) => !given.some((each) => equalJson(each, toleration)))];
}

/** Whether a daemon should be started on a node, and whether one that runs there may stay. */
export function daemonFits(daemonSet: DaemonSet, node: Node): { readonly start: boolean; readonly stay: boolean } {
  const template = daemonSet.spec?.template ?? {};
  const pod: Pod = template.spec === undefined ? {} : { spec: template.spec };
  const named = template.spec?.nodeName;
  if ((named !== undefined && named !== node.metadata?.name) || !matchesNodeAffinity(pod, node))
    return { start: false, stay: false };
  const tolerations = daemonTolerations(template);
  if (untoleratedTaint(node.spec?.taints, tolerations, ["NoExecute"]) !== undefined)
    return { start: false, stay: false };
  const start = untoleratedTaint(node.spec?.taints, tolerations, ["NoSchedule"]) === undefined;
  return { start, stay: true };
}

/** The daemon's pod for one node; the scheduler binds it there, as it does any other. */
export function daemonPod(daemonSet: DaemonSet, nodeName: string, hash: string): Pod {
  const template = daemonSet.spec?.template ?? {};
  const pod = podFromTemplate(daemonSet, DAEMON_SETS, template);
  const generation = daemonSet.metadata?.annotations?.[GENERATION_ANNOTATION];
  const labels = {
    ...pod.metadata?.labels,
    [REVISION_HASH]: hash,
    ...(generation === undefined ? {} : { [GENERATION_LABEL]: generation }),
  };
  const onNode = {
    nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [nodeName] }] }],
  };
  const affinity = {
    ...template.spec?.affinity,
    nodeAffinity: {
      ...template.spec?.affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: onNode,
    },
  };
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: { containers: [], ...pod.spec, affinity, tolerations: daemonTolerations(template) },
  };
}

/** For which node a daemon's pod was made, bound or not yet. */
export function nodeNameOf(pod: Pod): string | undefined {
  if (pod.spec?.nodeName !== undefined) return pod.spec.nodeName;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  for (const { matchFields = [] } of required?.nodeSelectorTerms ?? [])
    for (const { key, values } of matchFields) if (key === "metadata.name") return values?.[0];
  return undefined;
}

/** What a ControllerRevision keeps, in the form that `kubectl rollout undo` patches back. */
export function revisionData(daemonSet: DaemonSet): { spec: { template: object } } {
  return { spec: { template: { ...daemonSet.spec?.template, $patch: "replace" } } };
}

export function newRevision(daemonSet: DaemonSet, revision: number): ControllerRevision {
  const data = revisionData(daemonSet);
  const hash = hashOf(data, daemonSet.status?.collisionCount ?? 0);
  const { name = "", namespace, annotations } = daemonSet.metadata ?? {};
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...daemonSet.spec?.template.metadata?.labels, [REVISION_HASH]: hash },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(daemonSet, DAEMON_SETS)],
    },
    data: data as NonNullable<ControllerRevision["data"]>,
    revision,
  };
}

function hashOf(data: unknown, collisionCount: number): string {
  const digest = createHash("sha256").update(canonicalJson(data)).update(`/${collisionCount}`).digest();
  return Array.from(digest.subarray(0, HASH_CHARACTERS), (byte) => ALPHABET[byte % ALPHABET.length]).join("");
}
