import type { ConfigMap, Endpoints, EndpointSlice, KubeObject, Service } from "@kedge/kube";
import { addressAt, parseCidr } from "./admission/cidr.ts";
import { bootstrapPolicy } from "./auth/bootstrap-policy.ts";

export interface BootstrapFacts {
  readonly serviceCidr: string;
  /** Where programs in the cluster reach the API server. */
  readonly advertiseAddress: string;
  readonly port: number;
  /** Who signs the certificates of the server's clients: servers that it calls, as one of them, want to know. */
  readonly clientCaPem: string;
}

/** What a cluster begins with, in the order in which it must be made. */
export function bootstrapObjects(facts: BootstrapFacts): KubeObject[] {
  return [
    ...["default", "kube-system", "kube-public", "kube-node-lease"].map((name) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
    })),
    ...bootstrapPolicy(),
    priorityClass(
      "system-cluster-critical",
      2_000_000_000,
      "Used for system critical pods that must run in the cluster.",
    ),
    priorityClass(
      "system-node-critical",
      2_000_001_000,
      "Used for system critical pods that must not be moved from their node.",
    ),
    kubernetesService(facts),
    ...currentObjects(facts),
    ...authenticationReader(),
  ];
}

/** What is written anew at each start. */
export function currentObjects(facts: BootstrapFacts): KubeObject[] {
  return [...kubernetesEndpoints(facts), publishedAuthentication(facts)];
}

/** Where every API server says whom servers that it calls, and that others call, may trust. */
const PUBLISHED = { name: "extension-apiserver-authentication", namespace: "kube-system" };

function publishedAuthentication({ clientCaPem }: BootstrapFacts): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: PUBLISHED, data: { "client-ca-file": clientCaPem } };
}

function authenticationReader(): KubeObject[] {
  const metadata = { name: `${PUBLISHED.name}-reader`, namespace: PUBLISHED.namespace };
  const rules = [
    { apiGroups: [""], resources: ["configmaps"], resourceNames: [PUBLISHED.name], verbs: ["get", "list", "watch"] },
  ];
  return [{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata, rules } as KubeObject];
}

function priorityClass(name: string, value: number, description: string): KubeObject {
  return {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name },
    value,
    description,
  } as KubeObject;
}

function kubernetesService({ serviceCidr, port }: BootstrapFacts): Service {
  const clusterIP = kubernetesServiceAddress(serviceCidr);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kubernetes", namespace: "default", labels: { component: "apiserver", provider: "kubernetes" } },
    spec: {
      type: "ClusterIP",
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: port }],
    },
  };
}

/** Say where the API server is now; rewritten at each start. */
function kubernetesEndpoints({ advertiseAddress, port }: BootstrapFacts): [EndpointSlice, Endpoints] {
  const metadata = { name: "kubernetes", namespace: "default" };
  return [
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": "kubernetes" } },
      addressType: "IPv4",
      endpoints: [{ addresses: [advertiseAddress], conditions: { ready: true } }],
      ports: [{ name: "https", port, protocol: "TCP" }],
    },
    {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { ...metadata, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
      subsets: [{ addresses: [{ ip: advertiseAddress }], ports: [{ name: "https", port, protocol: "TCP" }] }],
    },
  ];
}

/** The first address of the range. */
export function kubernetesServiceAddress(serviceCidr: string): string {
  return addressAt(parseCidr(serviceCidr), 1);
}
