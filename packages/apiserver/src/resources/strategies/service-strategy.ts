import { isIP } from "node:net";
import {
  dnsLabelProblem,
  duplicateError,
  equalJson,
  type FieldError,
  invalidError,
  notSupportedError,
  requiredError,
  type Service,
  type ServicePort,
  type ServiceSpec,
} from "@kedge/kube";
import type { BuiltinStrategy } from "../builtin-strategy.ts";
import { labelErrors } from "../metadata-validation.ts";
import { portNameProblem, portNumberErrors } from "../validation/container-validation.ts";

const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const AFFINITY_TIMEOUT_SECONDS = 10_800;

export const serviceStrategy: BuiltinStrategy<Service> = {
  applyDefaults({ spec }) {
    if (spec === undefined) return;
    spec.sessionAffinity ||= "None";
    if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
    else spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: AFFINITY_TIMEOUT_SECONDS } };
    spec.type ||= "ClusterIP";
    for (const port of spec.ports ?? []) {
      port.protocol ||= "TCP";
      port.targetPort ||= port.port;
    }
    const external = spec.type === "NodePort" || spec.type === "LoadBalancer";
    if (external) spec.externalTrafficPolicy ||= "Cluster";
    if (spec.type !== "ExternalName") spec.internalTrafficPolicy ||= "Cluster";
    if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
  },
  prepareUpdate(service, { spec: old }) {
    const { spec } = service;
    if (spec === undefined || old === undefined) return;
    if (spec.type !== old.type) dropWhatTypeLacks(spec, old);
    if (spec.type !== "LoadBalancer") Object.assign(service, { status: { ...service.status, loadBalancer: {} } });
    // Clients send what they know; the addresses that were given out are kept unless they name others.
    if (spec.type === "ExternalName") return;
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if ((spec.clusterIPs ?? []).length === 0 && old.clusterIPs && spec.clusterIP === old.clusterIP)
      spec.clusterIPs = old.clusterIPs;
    if (old.ipFamilies) spec.ipFamilies ??= old.ipFamilies;
    if (old.ipFamilyPolicy) spec.ipFamilyPolicy ||= old.ipFamilyPolicy;
    if (hasNodePorts(spec) && spec.type === old.type) keepNodePorts(spec.ports ?? [], old.ports ?? []);
  },
  validate: ({ spec }) => serviceErrors(spec),
  validateUpdate({ spec }, { spec: old }) {
    const fixed = old?.clusterIP && spec?.type !== "ExternalName" && old.type !== "ExternalName";
    if (!fixed || spec?.clusterIP === old.clusterIP) return [];
    return [invalidError("spec.clusterIPs[0]", [spec?.clusterIP], "may not change once set")];
  },
  selectableFields: ({ spec }) => ({ "spec.clusterIP": spec?.clusterIP ?? "", "spec.type": spec?.type ?? "" }),
};

function hasNodePorts({ type }: ServiceSpec): boolean {
  return type === "NodePort" || type === "LoadBalancer";
}

function nodePortsOf({ ports = [] }: ServiceSpec): number[] {
  return ports.map(({ nodePort = 0 }) => nodePort).toSorted((a, b) => a - b);
}

/** What another type of service has no use for goes by itself, unless the client changed it as well. */
function dropWhatTypeLacks(spec: ServiceSpec, old: ServiceSpec): void {
  const drop = (...names: (keyof ServiceSpec)[]) => {
    for (const name of names) if (equalJson(spec[name], old[name])) delete spec[name];
  };
  if (spec.type === "ExternalName")
    drop("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy");
  if (spec.type !== "LoadBalancer") drop("allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort");
  if (hasNodePorts(spec) || !hasNodePorts(old)) return;
  drop("externalTrafficPolicy");
  if (equalJson(nodePortsOf(spec), nodePortsOf(old))) for (const port of spec.ports ?? []) delete port.nodePort;
}

function keepNodePorts(ports: ServicePort[], old: ServicePort[]): void {
  for (const port of ports) {
    if (port.nodePort) continue;
    const same = old.find((each) => each.port === port.port && each.protocol === port.protocol);
    if (same?.nodePort) port.nodePort = same.nodePort;
  }
}

function serviceErrors(spec: ServiceSpec | undefined): FieldError[] {
  if (spec === undefined) return [requiredError("spec")];
  const errors = labelErrors(spec.selector, "spec.selector");
  const { type = "ClusterIP", clusterIP = "", ports = [] } = spec;
  if (!TYPES.includes(type)) errors.push(notSupportedError("spec.type", type, TYPES));
  if (ports.length === 0 && clusterIP !== "None" && type !== "ExternalName") errors.push(requiredError("spec.ports"));
  if (type === "ExternalName" && !spec.externalName) errors.push(requiredError("spec.externalName"));
  if (clusterIP === "None" && (type === "NodePort" || type === "LoadBalancer"))
    errors.push(invalidError("spec.clusterIPs[0]", clusterIP, `may not be set to 'None' for ${type} services`));
  if (clusterIP !== "" && clusterIP !== "None" && isIP(clusterIP) === 0)
    errors.push(invalidError("spec.clusterIPs[0]", clusterIP, "must be a valid IP address"));
  if (!["ClientIP", "None"].includes(spec.sessionAffinity ?? "None"))
    errors.push(notSupportedError("spec.sessionAffinity", spec.sessionAffinity, ["ClientIP", "None"]));
  const names = new Set<string>();
  const places = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const field = `spec.ports[${index}]`;
    errors.push(...portErrors(port, field, ports.length > 1));
    if (port.name && names.has(port.name)) errors.push(duplicateError(`${field}.name`, port.name));
    if (port.name) names.add(port.name);
    const place = `${port.protocol ?? "TCP"}/${port.port}`;
    if (places.has(place)) errors.push(duplicateError(field, { protocol: port.protocol, port: port.port }));
    places.add(place);
  }
  return errors;
}

function portErrors(port: ServicePort, field: string, nameNeeded: boolean): FieldError[] {
  const errors = portNumberErrors(port.port, `${field}.port`);
  if (!port.name) {
    if (nameNeeded) errors.push(requiredError(`${field}.name`));
  } else {
    const problem = dnsLabelProblem(port.name);
    if (problem !== undefined) errors.push(invalidError(`${field}.name`, port.name, problem));
  }
  if (!PROTOCOLS.includes(port.protocol ?? "TCP"))
    errors.push(notSupportedError(`${field}.protocol`, port.protocol, PROTOCOLS));
  if (typeof port.targetPort === "number") errors.push(...portNumberErrors(port.targetPort, `${field}.targetPort`));
  else if (port.targetPort !== undefined) {
    const problem = portNameProblem(port.targetPort);
    if (problem !== undefined) errors.push(invalidError(`${field}.targetPort`, port.targetPort, problem));
  }
  return errors;
}
