import { type NamespaceOption, NamespaceMode, SupplementalGroupsPolicy } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { wantsStrictGroups } from "./security-admission.ts";
import type { IdMapping } from "./user-namespaces.ts";

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

/** As {@link namespaceOptions}, of a pod whose users are others on the host. */
export function withUserNamespace<T extends object>(options: T, ids: readonly IdMapping[] | undefined) {
  if (ids === undefined) return options;
  const mapping = ids.map((id) => ({ ...id }));
  return { ...options, usernsOptions: { mode: NamespaceMode.POD, uids: mapping, gids: mapping } };
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

/** Where the pod wants to be in no group that it does not name; of others nothing is said. */
export function groupsPolicy(pod: Pod): { supplementalGroupsPolicy?: SupplementalGroupsPolicy } {
  return wantsStrictGroups(pod) ? { supplementalGroupsPolicy: SupplementalGroupsPolicy.Strict } : {};
}
