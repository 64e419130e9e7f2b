import {
  applyStrategicMergePatch,
  equalJson,
  isJsonObject,
  type JsonValue,
  type Node,
  NODE_STATUS_PATCH_SCHEMA,
  type NodeAddress,
} from "@kedge/kube";

/** On the Node: where its kubelet endpoint is reached, and what the node itself reports of that. */
export const KUBELET_ENDPOINT_ANNOTATION = "kedge.io/kubelet-endpoint";

/** What a node reports of itself; cloudcore shows something else to the cluster. */
export interface OwnEndpoint {
  readonly addresses: readonly NodeAddress[];
  /** Absent: the node has no kubelet endpoint of its own. */
  readonly port?: number | undefined;
}

/** Where the API server, metrics-server and whoever else finds a node by its Node reach its kubelet endpoint. */
export interface KubeletEndpoint {
  /** Grows each time that another cloudcore takes the node's tunnel over. */
  readonly turn: number;
  /** Of the cloudcore that holds the node's tunnel; with `streamPort` it names that process. */
  readonly address: string;
  /** There, the node's own. */
  readonly port: number;
  /** There, the one for all nodes, where replicas meet. */
  readonly streamPort: number;
  readonly own: OwnEndpoint;
}

/** @returns undefined if nobody has written one, or it makes no sense: people write annotations, too. */
export function readEndpoint(node: Node | undefined): KubeletEndpoint | undefined {
  const text = node?.metadata?.annotations?.[KUBELET_ENDPOINT_ANNOTATION];
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(json) || !isJsonObject(json["own"])) return undefined;
  const { turn, address, port, streamPort } = json;
  const { addresses, port: ownPort } = json["own"];
  if (!isWhole(turn) || !isWhole(port) || !isWhole(streamPort) || typeof address !== "string") return undefined;
  if (!isAddressList(addresses)) return undefined;
  const own = { addresses, ...(isWhole(ownPort) && { port: ownPort }) };
  return { turn, address, port, streamPort, own };
}

/** What the node itself reports: what a Node shows, less what cloudcore has put there. */
export function ownEndpoint(node: Node): OwnEndpoint {
  const shown = node.status?.addresses ?? [];
  const shownPort = node.status?.daemonEndpoints?.kubeletEndpoint?.Port;
  const endpoint = readEndpoint(node);
  if (endpoint === undefined) return { addresses: shown, port: shownPort };
  const port = shownPort === endpoint.port ? endpoint.own.port : shownPort;
  if (equalJson(asJson(shown), asJson(shownAddresses(endpoint.address, endpoint.own))))
    return { ...endpoint.own, port };
  // Somebody has written addresses since: of those, ours are not the node's.
  const isOurs = (one: NodeAddress) =>
    one.address === endpoint.address && !endpoint.own.addresses.some((known) => equalJson(asJson(known), asJson(one)));
  return { addresses: shown.filter((one) => !isOurs(one)), port };
}

/**
 * What the cluster is to see. An API server takes the first address of the type that it prefers, by default a host name:
 * of both kinds cloudcore's comes first, and the node's own follow.
 */
export function shownAddresses(address: string, own: OwnEndpoint): NodeAddress[] {
  const ours: NodeAddress[] = [
    { type: "InternalIP", address },
    { type: "Hostname", address },
  ];
  const others = own.addresses.filter((one) => !ours.some((known) => equalJson(asJson(known), asJson(one))));
  return [...ours, ...others];
}

/** The Node as its node knows it: what cloudcore shows others in its place would only confuse it. */
export function asReported(node: Node): Node {
  if (readEndpoint(node) === undefined) return node;
  const { addresses, port } = ownEndpoint(node);
  const { [KUBELET_ENDPOINT_ANNOTATION]: _endpoint, ...annotations } = node.metadata?.annotations ?? {};
  const { daemonEndpoints: _shown, ...status } = node.status ?? {};
  const daemonEndpoints = port === undefined ? {} : { daemonEndpoints: { kubeletEndpoint: { Port: port } } };
  return {
    ...node,
    metadata: { ...node.metadata, annotations },
    status: { ...status, addresses: [...addresses], ...daemonEndpoints },
  };
}

/**
 * A patch of its status as a node sends it, made one of what the cluster is to see. Where cloudcore stands for the node, its
 * addresses stay in their place, before those that the node reports; a port is not the node's to change.
 *
 * @param node as the API server has it. @param status of a strategic merge patch, or whole.
 */
export function withReported(node: Node | undefined, status: unknown): unknown {
  const endpoint = readEndpoint(node);
  if (node === undefined || endpoint === undefined || !isJsonObject(status)) return status;
  const { addresses, [ADDRESS_ORDER]: order, daemonEndpoints: _port, ...others } = status;
  if (addresses === undefined && order === undefined) return others;
  const own = ownEndpoint(node);
  const patch = {
    ...(addresses !== undefined && { addresses }),
    ...(order !== undefined && { [ADDRESS_ORDER]: order }),
  };
  const reported = applyStrategicMergePatch(
    { status: { addresses: [...own.addresses] } },
    { status: patch },
    NODE_STATUS_PATCH_SCHEMA,
  );
  const shown = shownAddresses(endpoint.address, { addresses: reported.status.addresses });
  return { ...others, addresses: [...shown, { $patch: "replace" }] };
}

/** Of a strategic merge patch. */
const ADDRESS_ORDER = "$setElementOrder/addresses";

/** A merge patch of the Node's status, and of what we note about it. */
export function endpointPatch(endpoint: KubeletEndpoint, resourceVersion?: string): object {
  const { address, port, own } = endpoint;
  return {
    metadata: {
      ...(resourceVersion !== undefined && { resourceVersion }),
      annotations: { [KUBELET_ENDPOINT_ANNOTATION]: JSON.stringify(endpoint) },
    },
    status: {
      addresses: shownAddresses(address, own),
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    },
  };
}

/** Whether the Node shows this already. */
export function shows(node: Node, endpoint: KubeletEndpoint): boolean {
  const { status, metadata } = node;
  return (
    metadata?.annotations?.[KUBELET_ENDPOINT_ANNOTATION] === JSON.stringify(endpoint) &&
    status?.daemonEndpoints?.kubeletEndpoint?.Port === endpoint.port &&
    equalJson(asJson(status.addresses ?? []), asJson(shownAddresses(endpoint.address, endpoint.own)))
  );
}

function isAddressList(value: unknown): value is NodeAddress[] {
  const isAddress = (one: unknown) =>
    isJsonObject(one) && typeof one["type"] === "string" && typeof one["address"] === "string";
  return Array.isArray(value) && value.every(isAddress);
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The generated types are interfaces, which are no index signatures to the compiler. */
function asJson(value: object): JsonValue {
  return value as JsonValue;
}
