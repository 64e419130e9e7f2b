import {
  type ConfigMap,
  type Endpoints,
  type EndpointSlice,
  type Event,
  findCondition,
  type Lease,
  type Namespace,
  type Node,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type ResourceQuota,
  type Secret,
  type Service,
} from "@kedge/kube";
import {
  AGE_COLUMN,
  ageOf,
  column,
  firstFew,
  formatLabels,
  NAME_COLUMN,
  nameOf,
  NONE,
  type Printer,
  since,
  UNKNOWN,
  WIDE,
} from "../printing.ts";

const ROLE_PREFIX = "node-role.kubernetes.io/";
const ROLE_LABEL = "kubernetes.io/role";

export const nodePrinter: Printer<Node> = {
  columns: [
    NAME_COLUMN,
    column("Status", "Whether the node is ready, and takes pods."),
    column("Roles", "Roles of the node, from its labels."),
    AGE_COLUMN,
    column("Version", "Version of the node's agent."),
    column("Internal-IP", "Address within the cluster.", WIDE),
    column("External-IP", "Address from outside.", WIDE),
    column("OS-Image", "Operating system.", WIDE),
    column("Kernel-Version", "Kernel.", WIDE),
    column("Container-Runtime", "Container runtime and its version.", WIDE),
  ],
  cells(node, nowMs) {
    const info = node.status?.nodeInfo;
    const arch = info?.architecture ? ` (${info.architecture})` : "";
    return [
      nameOf(node),
      nodeStatus(node),
      nodeRoles(node).join(",") || NONE,
      ageOf(node, nowMs),
      info?.kubeletVersion ?? "",
      addressOf(node, "InternalIP"),
      addressOf(node, "ExternalIP"),
      info?.osImage || UNKNOWN,
      `${info?.kernelVersion || UNKNOWN}${arch}`,
      info?.containerRuntimeVersion || UNKNOWN,
    ];
  },
};

function nodeStatus({ spec, status }: Node): string {
  const ready = findCondition(status?.conditions, "Ready");
  const state = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return spec?.unschedulable === true ? `${state},SchedulingDisabled` : state;
}

function nodeRoles({ metadata }: Node): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(metadata?.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length));
    else if (key === ROLE_LABEL && value !== "") roles.add(value);
  }
  return [...roles].toSorted();
}

function addressOf({ status }: Node, type: string): string {
  return status?.addresses?.find((address) => address.type === type)?.address ?? NONE;
}

export const namespacePrinter: Printer<Namespace> = {
  columns: [NAME_COLUMN, column("Status", "Whether the namespace is in use or on its way out."), AGE_COLUMN],
  cells: (namespace, nowMs) => [nameOf(namespace), namespace.status?.phase ?? "", ageOf(namespace, nowMs)],
};

export const configMapPrinter: Printer<ConfigMap> = {
  columns: [NAME_COLUMN, column("Data", "Number of keys."), AGE_COLUMN],
  cells: (map, nowMs) => [
    nameOf(map),
    Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length,
    ageOf(map, nowMs),
  ],
};

export const secretPrinter: Printer<Secret> = {
  columns: [NAME_COLUMN, column("Type", "What the secret is for."), column("Data", "Number of keys."), AGE_COLUMN],
  cells: (secret, nowMs) => [
    nameOf(secret),
    secret.type ?? "",
    Object.keys(secret.data ?? {}).length,
    ageOf(secret, nowMs),
  ],
};

export const servicePrinter: Printer<Service> = {
  columns: [
    NAME_COLUMN,
    column("Type", "How the service is reached."),
    column("Cluster-IP", "Address within the cluster."),
    column("External-IP", "Addresses from outside."),
    column("Port(s)", "Ports of the service."),
    AGE_COLUMN,
    column("Selector", "Which pods serve it.", WIDE),
  ],
  cells(service, nowMs) {
    const { spec } = service;
    const ports = (spec?.ports ?? []).map(({ port, nodePort, protocol = "TCP" }) =>
      nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
    );
    return [
      nameOf(service),
      spec?.type ?? "",
      spec?.clusterIPs?.[0] ?? NONE,
      externalAddress(service),
      ports.join(",") || NONE,
      ageOf(service, nowMs),
      formatLabels(spec?.selector),
    ];
  },
};

function externalAddress({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case "ClusterIP":
    case "NodePort":
      return external.join(",") || NONE;
    case "LoadBalancer": {
      const balancers = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || (hostname ?? ""));
      return (
        [...new Set(balancers.filter((address) => address !== ""))].toSorted().concat(external).join(",") || "<pending>"
      );
    }
    case "ExternalName":
      return spec.externalName ?? "";
    default:
      return UNKNOWN;
  }
}

export const endpointsPrinter: Printer<Endpoints> = {
  columns: [NAME_COLUMN, column("Endpoints", "Addresses that serve it."), AGE_COLUMN],
  cells(endpoints, nowMs) {
    const addresses = (endpoints.subsets ?? []).flatMap(({ addresses: list = [], ports = [] }) =>
      ports.length === 0
        ? list.map(({ ip }) => ip)
        : ports.flatMap(({ port }) => list.map(({ ip }) => hostPort(ip, port))),
    );
    return [nameOf(endpoints), addresses.length === 0 ? NONE : firstFew(addresses), ageOf(endpoints, nowMs)];
  },
};

function hostPort(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

export const endpointSlicePrinter: Printer<EndpointSlice> = {
  columns: [
    NAME_COLUMN,
    column("AddressType", "Kind of the addresses."),
    column("Ports", "Ports of the endpoints."),
    column("Endpoints", "Addresses of the endpoints."),
    AGE_COLUMN,
  ],
  cells: (slice, nowMs) => [
    nameOf(slice),
    slice.addressType,
    firstFew((slice.ports ?? []).map(({ port, name }) => (port === undefined ? (name ?? "*") : String(port)))),
    firstFew((slice.endpoints ?? []).flatMap(({ addresses }) => addresses)),
    ageOf(slice, nowMs),
  ],
};

export const leasePrinter: Printer<Lease> = {
  columns: [NAME_COLUMN, column("Holder", "Who holds the lease."), AGE_COLUMN],
  cells: (lease, nowMs) => [nameOf(lease), lease.spec?.holderIdentity ?? "", ageOf(lease, nowMs)],
};

export const eventPrinter: Printer<Event> = {
  columns: [
    column("Last Seen", "When it last happened."),
    column("Type", "Normal or Warning."),
    column("Reason", "What happened, in one word."),
    column("Object", "What it happened to."),
    column("Subobject", "Which part of the object.", WIDE),
    column("Source", "Who tells of it.", WIDE),
    column("Message", "What happened."),
    column("First Seen", "When it first happened.", WIDE),
    column("Count", "How often it happened.", WIDE),
    column("Name", "Name of the event.", { priority: 1, format: "name" }),
  ],
  cells(event, nowMs) {
    const { involvedObject, source, series } = event;
    const first = event.firstTimestamp ? since(event.firstTimestamp, nowMs) : since(event.eventTime, nowMs);
    const last = series === undefined ? event.lastTimestamp : series.lastObservedTime;
    const kind = (involvedObject?.kind ?? "").toLowerCase();
    return [
      last ? since(last, nowMs) : series === undefined ? first : UNKNOWN,
      event.type ?? "",
      event.reason ?? "",
      involvedObject?.name ? `${kind}/${involvedObject.name}` : kind,
      involvedObject?.fieldPath ?? "",
      [source?.component || event.reportingComponent, source?.host || event.reportingInstance]
        .filter(Boolean)
        .join(", "),
      (event.message ?? "").trim(),
      first,
      series === undefined ? event.count || 1 : (series.count ?? 0),
      nameOf(event),
    ];
  },
};

const ACCESS_MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

function accessModes(modes: readonly string[] | undefined): string {
  return [...new Set(modes)].map((mode) => ACCESS_MODES[mode] ?? mode).join(",");
}

export const persistentVolumePrinter: Printer<PersistentVolume> = {
  columns: [
    NAME_COLUMN,
    column("Capacity", "Size of the volume."),
    column("Access Modes", "How it may be mounted."),
    column("Reclaim Policy", "What happens to it when its claim goes."),
    column("Status", "Whether it is bound."),
    column("Claim", "The claim that it is bound to."),
    column("StorageClass", "StorageClass of the volume."),
    column("VolumeAttributesClass", "VolumeAttributesClass of the volume."),
    column("Reason", "Why it failed."),
    AGE_COLUMN,
    column("VolumeMode", "Filesystem or block device.", WIDE),
  ],
  cells(volume, nowMs) {
    const { spec, status, metadata } = volume;
    const claim = spec?.claimRef;
    return [
      nameOf(volume),
      spec?.capacity?.["storage"] ?? "0",
      accessModes(spec?.accessModes),
      spec?.persistentVolumeReclaimPolicy ?? "",
      metadata?.deletionTimestamp === undefined ? (status?.phase ?? "") : "Terminating",
      claim === undefined ? "" : `${claim.namespace ?? ""}/${claim.name ?? ""}`,
      spec?.storageClassName ?? "",
      attributesClass(spec),
      status?.reason ?? "",
      ageOf(volume, nowMs),
      spec?.volumeMode ?? "<unset>",
    ];
  },
};

export const persistentVolumeClaimPrinter: Printer<PersistentVolumeClaim> = {
  columns: [
    NAME_COLUMN,
    column("Status", "Whether it is bound."),
    column("Volume", "The volume that it is bound to."),
    column("Capacity", "Size of the volume."),
    column("Access Modes", "How it may be mounted."),
    column("StorageClass", "StorageClass of the claim."),
    column("VolumeAttributesClass", "VolumeAttributesClass of the claim."),
    AGE_COLUMN,
    column("VolumeMode", "Filesystem or block device.", WIDE),
  ],
  cells(claim, nowMs) {
    const { spec, status, metadata } = claim;
    const bound = Boolean(spec?.volumeName);
    return [
      nameOf(claim),
      metadata?.deletionTimestamp === undefined ? (status?.phase ?? "") : "Terminating",
      spec?.volumeName ?? "",
      bound ? (status?.capacity?.["storage"] ?? "0") : "",
      bound ? accessModes(status?.accessModes) : "",
      spec?.storageClassName ?? "",
      attributesClass(spec),
      ageOf(claim, nowMs),
      spec?.volumeMode ?? "<unset>",
    ];
  },
};

function attributesClass(spec: object | undefined): string {
  return (spec as { volumeAttributesClassName?: string } | undefined)?.volumeAttributesClassName ?? "<unset>";
}

export const resourceQuotaPrinter: Printer<ResourceQuota> = {
  columns: [
    NAME_COLUMN,
    column("Request", "What is used of what may be requested."),
    column("Limit", "What is used of what may be the limit."),
    AGE_COLUMN,
  ],
  cells(quota, nowMs) {
    const { hard = {}, used = {} } = quota.status ?? {};
    const text = (limits: boolean) =>
      Object.keys(hard)
        .filter((name) => name.startsWith("limits.") === limits)
        .toSorted()
        .map((name) => `${name}: ${used[name] ?? "0"}/${hard[name] ?? "0"}`)
        .join(", ");
    return [nameOf(quota), text(false), text(true), ageOf(quota, nowMs)];
  },
};
