import { type PortMapping, Protocol } from "@kedge/cri";
import type { Pod } from "@kedge/kube";

const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: Protocol.TCP, UDP: Protocol.UDP, SCTP: Protocol.SCTP };

/**
 * The ports of a pod for the CNI portmap plugin, those without a host port included, as a kubelet passes them. Pods on
 * the host's network have their ports there anyway.
 */
export function portMappings(pod: Pod): PortMapping[] {
  if (pod.spec?.hostNetwork === true) return [];
  const mappings: PortMapping[] = [];
  for (const container of pod.spec?.containers ?? []) {
    const seen = new Set<string>();
    for (const { name, containerPort, hostPort = 0, hostIP = "", protocol = "TCP" } of container.ports ?? []) {
      const key = name ?? `${protocol} ${hostIP} ${containerPort} ${hostPort}`;
      if (seen.has(key)) continue;
      seen.add(key);
      mappings.push({ protocol: PROTOCOLS[protocol] ?? Protocol.TCP, containerPort, hostPort, hostIp: hostIP });
    }
  }
  return mappings;
}
