import {
  canonicalJson,
  type EndpointAddress,
  type Endpoints,
  type EndpointSubset,
  equalJson,
  type Service,
} from "@kedge/kube";
import { type Backend, isHeadless } from "./service-endpoints.ts";

/** Kubernetes' own limit: whoever needs more reads EndpointSlices. */
export const ENDPOINTS_ADDRESSES_MAX = 1_000;
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
const HEADLESS = "service.kubernetes.io/headless";
const MANAGED_BY = "endpoints.kubernetes.io/managed-by";

/** The Endpoints object that a Service's pods make. */
export function planEndpoints(service: Service, backends: readonly Backend[]): Endpoints {
  const publish = service.spec?.publishNotReadyAddresses === true;
  const shown = backends.filter(({ terminating }) => publish || !terminating);
  const kept = [...shown].sort((a, b) => Number(b.ready) - Number(a.ready)).slice(0, ENDPOINTS_ADDRESSES_MAX);
  const { name = "", namespace, labels } = service.metadata ?? {};
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...labels, [MANAGED_BY]: "endpoint-controller", ...(isHeadless(service) ? { [HEADLESS]: "" } : {}) },
      ...(shown.length > kept.length ? { annotations: { [OVER_CAPACITY]: "truncated" } } : {}),
    },
    ...subsetsOf(service, kept),
  };
}

/** Pods with the same ports share a subset. */
function subsetsOf(service: Service, backends: readonly Backend[]): { subsets?: EndpointSubset[] } {
  const byPorts = new Map<
    string,
    EndpointSubset & { addresses: EndpointAddress[]; notReadyAddresses: EndpointAddress[] }
  >();
  for (const backend of backends) {
    const portless = isHeadless(service) && (service.spec?.ports ?? []).length === 0;
    if (backend.ports.length === 0 && !portless) continue;
    const key = JSON.stringify(backend.ports);
    const ports = backend.ports.map(({ name, ...port }) => (name === "" ? port : { name, ...port }));
    const subset = byPorts.get(key) ?? {
      addresses: [],
      notReadyAddresses: [],
      ...(ports.length === 0 ? {} : { ports }),
    };
    byPorts.set(key, subset);
    (backend.ready ? subset.addresses : subset.notReadyAddresses).push(addressOf(backend));
  }
  if (byPorts.size === 0) return {};
  return {
    subsets: [...byPorts.values()].map(({ addresses, notReadyAddresses, ports }) => ({
      ...(addresses.length === 0 ? {} : { addresses }),
      ...(notReadyAddresses.length === 0 ? {} : { notReadyAddresses }),
      ...(ports === undefined ? {} : { ports }),
    })),
  };
}

/** Whether both say the same; the server stores subsets, addresses and ports in an order of its own. */
export function sameSubsets(a: readonly EndpointSubset[] = [], b: readonly EndpointSubset[] = []): boolean {
  const sorted = (items: readonly unknown[] = []) => items.map((item) => canonicalJson(item)).sort();
  const plain = (subsets: readonly EndpointSubset[]) =>
    sorted(
      subsets.map(({ addresses, notReadyAddresses, ports }) => [
        sorted(addresses),
        sorted(notReadyAddresses),
        sorted(ports),
      ]),
    );
  return equalJson(plain(a), plain(b));
}

function addressOf({ pod, address, hostname }: Backend): EndpointAddress {
  return {
    ip: address,
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec?.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: targetOf(pod),
  };
}

export function targetOf({ metadata }: Backend["pod"]): NonNullable<EndpointAddress["targetRef"]> {
  const { name = "", namespace = "", uid = "" } = metadata ?? {};
  return { kind: "Pod", namespace, name, uid };
}
