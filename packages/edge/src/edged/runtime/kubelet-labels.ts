import type { Container, Pod } from "@kedge/kube";
import { containerHash } from "./container-hash.ts";

/** Keys by which a kubelet finds its pods in the runtime again. @see `edge-runtime` §3.2 */
export const POD_NAME_LABEL = "io.kubernetes.pod.name";
export const POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace";
export const POD_UID_LABEL = "io.kubernetes.pod.uid";
export const CONTAINER_NAME_LABEL = "io.kubernetes.container.name";

export const HASH_ANNOTATION = "io.kubernetes.container.hash";
export const RESTART_COUNT_ANNOTATION = "io.kubernetes.container.restartCount";
export const TERMINATION_PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath";
export const TERMINATION_POLICY_ANNOTATION = "io.kubernetes.container.terminationMessagePolicy";
export const PRE_STOP_ANNOTATION = "io.kubernetes.container.preStopHandler";
export const PORTS_ANNOTATION = "io.kubernetes.container.ports";
export const GRACE_PERIOD_ANNOTATION = "io.kubernetes.pod.terminationGracePeriod";
export const DELETION_GRACE_ANNOTATION = "io.kubernetes.pod.deletionGracePeriod";

export const TERMINATION_PATH_DEFAULT = "/dev/termination-log";

function identityLabels({ metadata = {} }: Pod): Record<string, string> {
  return {
    [POD_NAME_LABEL]: metadata.name ?? "",
    [POD_NAMESPACE_LABEL]: metadata.namespace ?? "",
    [POD_UID_LABEL]: metadata.uid ?? "",
  };
}

export function sandboxLabels(pod: Pod): Record<string, string> {
  return { ...pod.metadata?.labels, ...identityLabels(pod) };
}

export function sandboxAnnotations(pod: Pod): Record<string, string> {
  return { ...pod.metadata?.annotations };
}

export function containerLabels(pod: Pod, container: Container): Record<string, string> {
  return { ...identityLabels(pod), [CONTAINER_NAME_LABEL]: container.name };
}

/** All that is needed to go on with a container, and to end it, when its pod's spec is gone. */
export function containerAnnotations(pod: Pod, container: Container, restartCount: number): Record<string, string> {
  const { metadata, spec } = pod;
  const preStop = container.lifecycle?.preStop;
  const ports = container.ports ?? [];
  const grace = spec?.terminationGracePeriodSeconds;
  const deletionGrace = metadata?.deletionTimestamp === undefined ? undefined : metadata.deletionGracePeriodSeconds;
  return {
    [HASH_ANNOTATION]: containerHash(container),
    [RESTART_COUNT_ANNOTATION]: String(restartCount),
    [TERMINATION_PATH_ANNOTATION]: container.terminationMessagePath ?? TERMINATION_PATH_DEFAULT,
    [TERMINATION_POLICY_ANNOTATION]: container.terminationMessagePolicy ?? "File",
    ...(preStop !== undefined && { [PRE_STOP_ANNOTATION]: JSON.stringify(preStop) }),
    ...(ports.length > 0 && { [PORTS_ANNOTATION]: JSON.stringify(ports) }),
    ...(grace !== undefined && { [GRACE_PERIOD_ANNOTATION]: String(grace) }),
    ...(deletionGrace !== undefined && { [DELETION_GRACE_ANNOTATION]: String(deletionGrace) }),
  };
}
