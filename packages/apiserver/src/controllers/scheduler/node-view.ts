import type { Node, Pod } from "@kedge/kube";
import { isPodFinished } from "../pods/pod-state.ts";
import { type Amounts, amountsOf, podRequests, sum } from "./pod-requests.ts";

/** A node and what runs on it, as the scheduler sees it. */
export interface NodeView {
  readonly node: Node;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Pods that hold resources: all that have not ended. */
  readonly pods: readonly Pod[];
  readonly requested: Amounts;
  readonly allocatable: Amounts;
  /** `ip/protocol/port` of host ports in use. */
  readonly hostPorts: readonly HostPort[];
}

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

export function viewNode(node: Node, pods: readonly Pod[]): NodeView {
  const running = pods.filter((pod) => !isPodFinished(pod));
  return {
    node,
    name: node.metadata?.name ?? "",
    labels: node.metadata?.labels ?? {},
    pods: running,
    requested: running.map(podRequests).reduce(sum, {}),
    allocatable: amountsOf(node.status?.allocatable ?? {}),
    hostPorts: running.flatMap(hostPortsOf),
  };
}

/** The same node with one more pod: what the next pod must be judged by. */
export function withPod(view: NodeView, pod: Pod): NodeView {
  return {
    ...view,
    pods: [...view.pods, pod],
    requested: sum(view.requested, podRequests(pod)),
    hostPorts: [...view.hostPorts, ...hostPortsOf(pod)],
  };
}

export function hostPortsOf(pod: Pod): HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(
    (container) => (container as { restartPolicy?: string }).restartPolicy === "Always",
  );
  return [...(pod.spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, hostIP = "", protocol = "TCP" }) =>
      hostPort > 0 ? [{ port: hostPort, ip: hostIP === "" ? "0.0.0.0" : hostIP, protocol }] : [],
    ),
  );
}

export function portsConflict(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || a.ip === "0.0.0.0" || b.ip === "0.0.0.0";
}
