import { type LinuxSandboxSecurityContext, SecurityProfileType } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { SecurityError } from "./security-error.ts";
import { groupsPolicy, namespaceOptions, supplementalGroups, withUserNamespace } from "./namespace-options.ts";
import { featuresOf, type RuntimeFeatures } from "./runtime-features.ts";
import { wantsStrictGroups } from "./security-admission.ts";
import type { IdMapping } from "./user-namespaces.ts";

/** What the sandbox' runtime can do, and what the pod was given on this host. */
export interface SandboxFacts {
  readonly features: RuntimeFeatures | undefined;
  /** Empty: the usual one. */
  readonly handler: string;
  /** Of a pod with a user namespace of its own. */
  readonly ids?: readonly IdMapping[] | undefined;
}

const NOTHING_KNOWN: SandboxFacts = { features: undefined, handler: "" };

/**
 * The sandbox' rights: as few as its containers allow.
 *
 * @throws SecurityError when the pod wants to be shut in more closely than this node can: it does not run with less.
 */
export function sandboxSecurityContext(
  pod: Pod,
  facts: SandboxFacts = NOTHING_KNOWN,
): Extract<LinuxSandboxSecurityContext, { $typeName?: never }> {
  refuseWhatWeCannot(pod, facts);
  const { runAsUser, runAsGroup, seLinuxOptions } = pod.spec?.securityContext ?? {};
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return {
    namespaceOptions: withUserNamespace(namespaceOptions(pod), facts.ids),
    privileged: containers.some(({ securityContext }) => securityContext?.privileged === true),
    // The sandbox' own process does nothing, whatever its containers need.
    seccomp: { profileType: SecurityProfileType.RuntimeDefault },
    supplementalGroups: supplementalGroups(pod),
    ...groupsPolicy(pod),
    ...(runAsUser !== undefined && { runAsUser: { value: BigInt(runAsUser) } }),
    ...(runAsGroup !== undefined && { runAsGroup: { value: BigInt(runAsGroup) } }),
    ...(seLinuxOptions !== undefined && { selinuxOptions: { ...seLinuxOptions } }),
  };
}

function refuseWhatWeCannot(pod: Pod, { features, handler }: SandboxFacts): void {
  const can = featuresOf(features, handler);
  if (pod.spec?.hostUsers === false && !can.userNamespaces)
    throw new SecurityError(
      handler === ""
        ? "can't set `spec.hostUsers: false`, runtime does not support user namespaces"
        : `can't set \`spec.hostUsers: false\`, RuntimeClass handler "${handler}" does not support user namespaces`,
    );
  if (wantsStrictGroups(pod) && features?.supplementalGroupsPolicy !== true)
    throw new SecurityError("SupplementalGroupsPolicy=Strict is not supported in this node");
}

/** Kernel settings of the pod's namespaces, with dots for slashes. */
export function sandboxSysctls(pod: Pod): Record<string, string> {
  const sysctls = pod.spec?.securityContext?.sysctls ?? [];
  return Object.fromEntries(sysctls.map(({ name, value }) => [normalizeSysctl(name), value]));
}

/** `kernel/shm_rmid_forced` is `kernel.shm_rmid_forced`; whichever separator comes first is the separator. */
export function normalizeSysctl(name: string): string {
  const separator = /[./]/.exec(name)?.[0];
  if (separator !== "/") return name;
  return name.replaceAll(/[./]/g, (character) => (character === "/" ? "." : "/"));
}
