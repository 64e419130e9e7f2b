import { isIPv6 } from "node:net";
import type { Pod } from "@kedge/kube";
import type { RuntimePod } from "../runtime/runtime-pod.ts";

/**
 * A pod's addresses, at most one of each family, that of the node's own first. A pod whose sandbox is gone keeps what was
 * told of it, so that its logs can be matched.
 */
export function podIPsOf({ spec, status }: Pod, { sandboxes }: RuntimePod, hostIPs: readonly string[]): string[] {
  const [sandbox] = sandboxes;
  if (spec?.hostNetwork === true) return sandbox === undefined ? [] : [...hostIPs];
  const own = sandbox?.ready === true ? sandbox.ips : [];
  const known = (status?.podIPs ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
  const ips = own.length > 0 ? own : known;
  const isPrimary = (ip: string) => isIPv6(ip) === isIPv6(hostIPs[0] ?? "");
  return [ips.find(isPrimary), ips.find((ip) => !isPrimary(ip))].filter((ip) => ip !== undefined);
}
