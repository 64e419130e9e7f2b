import { type Service, SERVICES } from "@kedge/kube";
import { assignServiceAddresses } from "./assign-service-addresses.ts";
import { invalid } from "../rest/status-error.ts";
import { keyPrefix } from "../storage/object-key.ts";
import type { Admission } from "./admit.ts";

const NODE_PORTS = [30_000, 32_767] as const;

/** Gives a Service its cluster IP and node ports, each only once. @throws KubeApiError `Invalid` */
export function allocateServiceAddresses({ writer, context, request }: Admission, service: Service): void {
  const others = writer
    .list(keyPrefix(SERVICES))
    .map(({ object }) => object as Service)
    .filter(({ metadata }) => metadata?.uid !== service.metadata?.uid);
  const clusterIps = others.flatMap(({ spec }) => spec?.clusterIPs ?? []);
  const nodePorts = others.flatMap(({ spec }) => (spec?.ports ?? []).flatMap(({ nodePort }) => nodePort ?? []));
  const errors = assignServiceAddresses(
    service,
    { cidr: context.serviceCidr, nodePorts: NODE_PORTS },
    { clusterIps: new Set(clusterIps), nodePorts: new Set(nodePorts) },
  );
  if (errors.length > 0) throw invalid(request.definition.type, service.metadata?.name ?? "", errors);
}
