import type { Pod } from "@kedge/kube";
import { normalizeSysctl } from "./sandbox-security-context.ts";

/** Settings of a pod's own namespaces that affect no other pod. */
const SAFE_SYSCTLS = [
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_wmem",
];

/**
 * Why the node refuses a pod's sysctls (reason `SysctlForbidden`), or undefined.
 *
 * @param allowedUnsafe `allowedUnsafeSysctls`: names, or prefixes that end in `*`.
 */
export function sysctlRefusal(pod: Pod, allowedUnsafe: readonly string[] = []): string | undefined {
  const { hostNetwork, hostIPC, securityContext } = pod.spec ?? {};
  for (const { name } of securityContext?.sysctls ?? []) {
    const sysctl = normalizeSysctl(name);
    if (![...SAFE_SYSCTLS, ...allowedUnsafe].some((pattern) => matches(sysctl, normalizeSysctl(pattern))))
      return `forbidden sysctl: ${JSON.stringify(sysctl)} not allowlisted`;
    if (sysctl.startsWith("net.") && hostNetwork === true)
      return `forbidden sysctl: ${JSON.stringify(sysctl)} not allowed with host net enabled`;
    if (!sysctl.startsWith("net.") && hostIPC === true)
      return `forbidden sysctl: ${JSON.stringify(sysctl)} not allowed with host ipc enabled`;
  }
  return undefined;
}

function matches(sysctl: string, pattern: string): boolean {
  return pattern.endsWith("*") ? sysctl.startsWith(pattern.slice(0, -1)) : sysctl === pattern;
}
