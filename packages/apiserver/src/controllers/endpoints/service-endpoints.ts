import type { Node, Pod, Service, ServicePort } from "@kedge/kube";
import { isPodFinished, isPodReady } from "../pods/pod-state.ts";

/** One pod behind a Service. */
export interface Backend {
  readonly pod: Pod;
  readonly address: string;
  readonly ports: readonly BackendPort[];
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly hostname: string | undefined;
  readonly zone: string | undefined;
}

export interface BackendPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  readonly appProtocol?: string;
}

export type AddressType = "IPv4" | "IPv6";
const ZONE = "topology.kubernetes.io/zone";

/** Whether somebody else looks after a Service's endpoints. */
export function hasOwnEndpoints(service: Service): boolean {
  const { selector, type } = service.spec ?? {};
  return selector === undefined || Object.keys(selector).length === 0 || type === "ExternalName";
}

/** The families that a Service speaks; the first is its main one. */
export function addressTypesOf(service: Service): AddressType[] {
  const families = (service.spec?.ipFamilies ?? []).filter((family) => family === "IPv4" || family === "IPv6");
  if (families.length > 0) return families as AddressType[];
  return [service.spec?.clusterIP?.includes(":") === true ? "IPv6" : "IPv4"];
}

/** The pods behind a Service that have an address of this family, in a stable order. */
export function backendsOf(
  service: Service,
  pods: readonly Pod[],
  addressType: AddressType,
  nodeOf: (name: string) => Node | undefined,
): Backend[] {
  const publish = service.spec?.publishNotReadyAddresses === true;
  const backends: Backend[] = [];
  for (const pod of pods) {
    const address = addressOf(pod, addressType);
    if (isPodFinished(pod) || address === undefined) continue;
    const serving = isPodReady(pod);
    const terminating = pod.metadata?.deletionTimestamp !== undefined;
    backends.push({
      pod,
      address,
      ports: portsOf(service, pod),
      ready: publish || (serving && !terminating),
      serving,
      terminating,
      hostname: hostnameOf(pod, service),
      zone: nodeOf(pod.spec?.nodeName ?? "")?.metadata?.labels?.[ZONE],
    });
  }
  return backends.sort((a, b) => (a.pod.metadata?.name ?? "").localeCompare(b.pod.metadata?.name ?? ""));
}

function addressOf(pod: Pod, addressType: AddressType): string | undefined {
  const addresses = pod.status?.podIPs?.map(({ ip }) => ip) ?? [pod.status?.podIP];
  return addresses.find((ip) => ip !== undefined && ip !== "" && ip.includes(":") === (addressType === "IPv6"));
}

/** The Service's ports as this pod serves them; a name that the pod does not know is left out. */
function portsOf(service: Service, pod: Pod): BackendPort[] {
  return (service.spec?.ports ?? []).flatMap((servicePort) => {
    const port = targetPort(servicePort, pod);
    if (port === undefined) return [];
    const { name = "", protocol = "TCP", appProtocol } = servicePort;
    return [{ name, port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function targetPort({ targetPort: target, port, protocol = "TCP" }: ServicePort, pod: Pod): number | undefined {
  if (target === undefined || target === 0 || target === "") return port;
  if (typeof target === "number") return target;
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  for (const { ports = [] } of containers)
    for (const each of ports)
      if (each.name === target && (each.protocol ?? "TCP") === protocol) return each.containerPort;
  return undefined;
}

/** A pod that asked for a name below this headless Service. */
function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  const named = hostname !== undefined && hostname !== "" && subdomain === service.metadata?.name;
  return named && pod.metadata?.namespace === service.metadata?.namespace ? hostname : undefined;
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === "None";
}
