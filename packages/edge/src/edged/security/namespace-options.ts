import { type NamespaceOption, NamespaceMode } from "@kedge/cri";
import type { Pod } from "@kedge/kube";

/** Which namespaces a pod shares with the host, and its containers among each other. */
export function namespaceOptions(pod: Pod): Extract<NamespaceOption, { $typeName?: never }> {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace } = pod.spec ?? {};
  return {
    network: hostNetwork === true ? NamespaceMode.NODE : NamespaceMode.POD,
    pid:
      hostPID === true
        ? NamespaceMode.NODE
        : shareProcessNamespace === true
          ? NamespaceMode.POD
          : NamespaceMode.CONTAINER,
    ipc: hostIPC === true ? NamespaceMode.NODE : NamespaceMode.POD,
  };
}

/**
 * As {@link namespaceOptions}, of a container that shall see another one's processes; where all of the pod share theirs, or
 * the host's, it does already.
 */
export function targetingOptions(pod: Pod, targetId: string): Extract<NamespaceOption, { $typeName?: never }> {
  const options = namespaceOptions(pod);
  return options.pid === NamespaceMode.CONTAINER ? { ...options, pid: NamespaceMode.TARGET, targetId } : options;
}

/** Groups that every container of the pod is in, besides its own. */
export function supplementalGroups(pod: Pod): bigint[] {
  const { fsGroup, supplementalGroups: groups = [] } = pod.spec?.securityContext ?? {};
  return [...(fsGroup === undefined ? [] : [fsGroup]), ...groups].map(BigInt);
}
