import { type LinuxSandboxSecurityContext, SecurityProfileType } from "@kedge/cri";
import type { Pod } from "@kedge/kube";
import { SecurityError } from "./security-error.ts";
import { namespaceOptions, supplementalGroups } from "./namespace-options.ts";

/**
 * The sandbox' rights: as few as its containers allow.
 *
 * @throws SecurityError when the pod wants to be shut in more closely than this node can: it does not run with less.
 */
export function sandboxSecurityContext(pod: Pod): Extract<LinuxSandboxSecurityContext, { $typeName?: never }> {
  refuseWhatWeCannot(pod);
  const { runAsUser, runAsGroup, seLinuxOptions } = pod.spec?.securityContext ?? {};
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return {
    namespaceOptions: namespaceOptions(pod),
    privileged: containers.some(({ securityContext }) => securityContext?.privileged === true),
    // The sandbox' own process does nothing, whatever its containers need.
    seccomp: { profileType: SecurityProfileType.RuntimeDefault },
    supplementalGroups: supplementalGroups(pod),
    ...(runAsUser !== undefined && { runAsUser: { value: BigInt(runAsUser) } }),
    ...(runAsGroup !== undefined && { runAsGroup: { value: BigInt(runAsGroup) } }),
    ...(seLinuxOptions !== undefined && { selinuxOptions: { ...seLinuxOptions } }),
  };
}

function refuseWhatWeCannot({ spec }: Pod): void {
  if (spec?.hostUsers === false)
    throw new SecurityError(
      "hostUsers: false (a user namespace of its own) is not supported on this node: leave it out",
    );
  const context: object = spec?.securityContext ?? {};
  if ("supplementalGroupsPolicy" in context && context.supplementalGroupsPolicy === "Strict")
    throw new SecurityError("supplementalGroupsPolicy: Strict is not supported on this node: leave it out");
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
