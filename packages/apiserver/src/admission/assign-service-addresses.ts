import { BlockList, isIPv4 } from "node:net";
import { type FieldError, invalidError, type Service } from "@kedge/kube";

/** `10.96.0.0/16`: addresses that Services are given. */
export interface ServiceNetwork {
  readonly cidr: string;
  /** As `--service-node-port-range`: inclusive. */
  readonly nodePorts: readonly [first: number, last: number];
}

export interface UsedAddresses {
  readonly clusterIps: ReadonlySet<string>;
  readonly nodePorts: ReadonlySet<number>;
}

/**
 * Gives a Service its cluster address and node ports, in place, before it is stored for the first time or after its
 * type changed. Whatever it asks for itself must be free.
 *
 * @param used by other Services.
 * @returns what cannot be given.
 */
export function assignServiceAddresses(service: Service, network: ServiceNetwork, used: UsedAddresses): FieldError[] {
  const { spec } = service;
  if (spec === undefined) return [];
  if (spec.type === "ExternalName") {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    return [];
  }
  if (!spec.clusterIP) spec.clusterIP = spec.clusterIPs?.[0] ?? "";
  const errors: FieldError[] = [];
  if (spec.clusterIP === "") {
    const free = freeAddress(network.cidr, used.clusterIps);
    if (free === undefined)
      return [invalidError("spec.clusterIPs", [], `failed to allocate a serviceIP: range ${network.cidr} is full`)];
    spec.clusterIP = free;
  } else if (spec.clusterIP !== "None") errors.push(...requestedErrors(spec.clusterIP, network.cidr, used.clusterIps));
  spec.clusterIPs = [spec.clusterIP];
  spec.ipFamilies ??= ["IPv4"];
  spec.ipFamilyPolicy ||= "SingleStack";
  return [...errors, ...assignNodePorts(service, network, used.nodePorts)];
}

function requestedErrors(address: string, cidr: string, used: ReadonlySet<string>): FieldError[] {
  const [base = "", bits = ""] = cidr.split("/");
  const range = new BlockList();
  range.addSubnet(base, Number(bits), "ipv4");
  if (!isIPv4(address) || !range.check(address))
    return [
      invalidError(
        "spec.clusterIPs",
        [address],
        `failed to allocate IP ${address}: the provided IP is not in the valid range. The range of valid IPs is ${cidr}`,
      ),
    ];
  if (!used.has(address)) return [];
  return [
    invalidError("spec.clusterIPs", [address], `failed to allocate IP ${address}: provided IP is already allocated`),
  ];
}

/** The lowest ones are left to those who ask for them by name, such as the API server's own and DNS. */
const RESERVED_ADDRESSES = 16;

function freeAddress(cidr: string, used: ReadonlySet<string>): string | undefined {
  const [base = "", bits = ""] = cidr.split("/");
  const first = toNumber(base);
  const size = 2 ** (32 - Number(bits));
  const skipped = size > 4 * RESERVED_ADDRESSES ? RESERVED_ADDRESSES : 1;
  // The last address of the range is its broadcast address.
  for (let offset = skipped; offset < size - 1; offset += 1) {
    const address = toAddress(first + offset);
    if (!used.has(address)) return address;
  }
  return undefined;
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function assignNodePorts({ spec }: Service, network: ServiceNetwork, used: ReadonlySet<number>): FieldError[] {
  const wanted =
    spec?.type === "NodePort" || (spec?.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
  const errors: FieldError[] = [];
  const [first, last] = network.nodePorts;
  const taken = new Set(used);
  for (const [index, port] of (spec?.ports ?? []).entries()) {
    if (!wanted) {
      if (spec?.type === "ClusterIP") delete port.nodePort;
      continue;
    }
    const field = `spec.ports[${index}].nodePort`;
    if (port.nodePort) {
      if (taken.has(port.nodePort))
        errors.push(invalidError(field, port.nodePort, "provided port is already allocated"));
      else if (port.nodePort < first || port.nodePort > last)
        errors.push(
          invalidError(
            field,
            port.nodePort,
            `provided port is not in the valid range. The range of valid ports is ${first}-${last}`,
          ),
        );
    } else {
      let free = first;
      while (taken.has(free)) free += 1;
      if (free > last) errors.push(invalidError(field, 0, `no free node port in ${first}-${last}`));
      else port.nodePort = free;
    }
    if (port.nodePort) taken.add(port.nodePort);
  }
  return errors;
}
