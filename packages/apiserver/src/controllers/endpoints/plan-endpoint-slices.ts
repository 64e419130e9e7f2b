import { controllerReference, type Endpoint, type EndpointSlice, equalJson, type Service, SERVICES } from "@kedge/kube";
import { targetOf } from "./plan-endpoints.ts";
import { type AddressType, type Backend, isHeadless } from "./service-endpoints.ts";

export const ENDPOINTS_PER_SLICE_MAX = 100;
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
export const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
export const MANAGED_BY_US = "endpointslice-controller.k8s.io";
const HEADLESS = "service.kubernetes.io/headless";

export interface SlicesPlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

/** What must change of a Service's slices, given those that are there (and ours). */
export function planEndpointSlices(
  service: Service,
  backends: ReadonlyMap<AddressType, readonly Backend[]>,
  existing: readonly EndpointSlice[],
): SlicesPlan {
  const plan = { create: [] as EndpointSlice[], update: [] as EndpointSlice[], remove: [] as EndpointSlice[] };
  const unused = new Set([...existing].sort((a, b) => (a.metadata?.name ?? "").localeCompare(b.metadata?.name ?? "")));
  const wanted = [...backends].flatMap(([addressType, each]) => slicesOf(service, addressType, each));
  for (const slice of wanted) {
    const reused = [...unused].find(
      ({ addressType, ports }) => addressType === slice.addressType && equalJson(ports ?? [], slice.ports ?? []),
    );
    if (reused === undefined) {
      plan.create.push(slice);
      continue;
    }
    unused.delete(reused);
    const { labels, ownerReferences } = slice.metadata ?? {};
    const metadata = { ...reused.metadata, ...(labels && { labels }), ...(ownerReferences && { ownerReferences }) };
    const next = { ...reused, metadata, endpoints: slice.endpoints };
    if (!equalJson(next, { ...reused, endpoints: reused.endpoints ?? [] })) plan.update.push(next);
  }
  plan.remove.push(...unused);
  return plan;
}

function slicesOf(service: Service, addressType: AddressType, backends: readonly Backend[]): EndpointSlice[] {
  const byPorts = new Map<string, Backend[]>();
  for (const backend of backends) {
    const key = JSON.stringify(backend.ports);
    const same = byPorts.get(key);
    if (same === undefined) byPorts.set(key, [backend]);
    else same.push(backend);
  }
  // A Service without pods has one slice, too: it says that there is nobody.
  if (byPorts.size === 0) return [sliceOf(service, addressType, [])];
  const slices: EndpointSlice[] = [];
  for (const same of byPorts.values())
    for (let start = 0; start < same.length; start += ENDPOINTS_PER_SLICE_MAX)
      slices.push(sliceOf(service, addressType, same.slice(start, start + ENDPOINTS_PER_SLICE_MAX)));
  return slices;
}

function sliceOf(service: Service, addressType: AddressType, backends: readonly Backend[]): EndpointSlice {
  const { name = "", namespace, labels } = service.metadata ?? {};
  const [first] = backends;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      generateName: `${name}-`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: {
        ...labels,
        [SERVICE_NAME_LABEL]: name,
        [MANAGED_BY_LABEL]: MANAGED_BY_US,
        ...(isHeadless(service) ? { [HEADLESS]: "" } : {}),
      },
      ownerReferences: [controllerReference(service, SERVICES)],
    },
    addressType,
    endpoints: backends.map(endpointOf),
    ...(first === undefined ? {} : { ports: first.ports.map((port) => ({ ...port })) }),
  };
}

function endpointOf({ pod, address, ready, serving, terminating, hostname, zone }: Backend): Endpoint {
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname === undefined ? {} : { hostname }),
    ...(pod.spec?.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: targetOf(pod),
    ...(zone === undefined ? {} : { zone }),
  };
}
