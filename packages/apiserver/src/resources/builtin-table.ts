import { EVENTS, type ResourceType } from "@kedge/kube";
import type { NameRule } from "./metadata-validation.ts";

/** The facts about one built-in resource that its schema does not hold. */
export interface BuiltinRow {
  /** Group (empty: core) and version. */
  readonly groupVersion: readonly [group: string, version: string];
  readonly kind: string;
  readonly resource: string;
  /** The schema's published name. */
  readonly schema: string;
  /** Absent: yes. */
  readonly namespaced?: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly hasStatus?: boolean;
  readonly hasGeneration?: boolean;
  readonly keepsStatusOnCreate?: boolean;
  /** Not to be deleted by the collection. */
  readonly oneByOne?: boolean;
  readonly hasScale?: boolean;
  /** Absent: a DNS subdomain. */
  readonly nameRule?: NameRule;
  /** Objects are stored as this resource's. */
  readonly storageType?: ResourceType;
}

type Facts = Omit<BuiltinRow, "groupVersion" | "kind" | "resource" | "schema">;

/** All kinds of one group version; the schema's name follows from the prefix. */
function group(
  name: string,
  version: string,
  schemaPrefix: string,
  kinds: Readonly<Record<string, readonly [resource: string, facts?: Facts]>>,
): BuiltinRow[] {
  return Object.entries(kinds).map(([kind, [resource, facts]]) => ({
    groupVersion: [name, version],
    kind,
    resource,
    schema: `${schemaPrefix}.${kind}`,
    ...facts,
  }));
}

const CLUSTER = { namespaced: false } as const;
const STATUS = { hasStatus: true } as const;
const GENERATION = { hasGeneration: true } as const;
const WORKLOAD = { ...STATUS, ...GENERATION, hasScale: true, categories: ["all"] } as const;
const API_EXTENSIONS = { categories: ["api-extensions"] } as const;

export const BUILTIN_TABLE: readonly BuiltinRow[] = [
  ...group("", "v1", "io.k8s.api.core.v1", {
    ConfigMap: ["configmaps", { shortNames: ["cm"] }],
    Endpoints: ["endpoints", { shortNames: ["ep"] }],
    Event: ["events", { shortNames: ["ev"] }],
    LimitRange: ["limitranges", { shortNames: ["limits"] }],
    Namespace: ["namespaces", { ...CLUSTER, ...STATUS, oneByOne: true, shortNames: ["ns"], nameRule: "label" }],
    Node: ["nodes", { ...CLUSTER, ...STATUS, keepsStatusOnCreate: true, shortNames: ["no"] }],
    PersistentVolume: ["persistentvolumes", { ...CLUSTER, ...STATUS, shortNames: ["pv"] }],
    PersistentVolumeClaim: ["persistentvolumeclaims", { ...STATUS, shortNames: ["pvc"] }],
    Pod: ["pods", { ...STATUS, ...GENERATION, shortNames: ["po"], categories: ["all"] }],
    PodTemplate: ["podtemplates", { ...GENERATION }],
    ReplicationController: ["replicationcontrollers", { ...WORKLOAD, shortNames: ["rc"] }],
    ResourceQuota: ["resourcequotas", { ...STATUS, shortNames: ["quota"] }],
    Secret: ["secrets"],
    Service: ["services", { ...STATUS, shortNames: ["svc"], categories: ["all"], nameRule: "label" }],
    ServiceAccount: ["serviceaccounts", { shortNames: ["sa"] }],
  }),
  ...group("apps", "v1", "io.k8s.api.apps.v1", {
    ControllerRevision: ["controllerrevisions"],
    DaemonSet: ["daemonsets", { ...STATUS, ...GENERATION, shortNames: ["ds"], categories: ["all"] }],
    Deployment: ["deployments", { ...WORKLOAD, shortNames: ["deploy"] }],
    ReplicaSet: ["replicasets", { ...WORKLOAD, shortNames: ["rs"] }],
    StatefulSet: ["statefulsets", { ...WORKLOAD, shortNames: ["sts"] }],
  }),
  ...group("batch", "v1", "io.k8s.api.batch.v1", {
    CronJob: ["cronjobs", { ...STATUS, ...GENERATION, shortNames: ["cj"], categories: ["all"] }],
    Job: ["jobs", { ...STATUS, ...GENERATION, categories: ["all"] }],
  }),
  ...group("autoscaling", "v2", "io.k8s.api.autoscaling.v2", {
    HorizontalPodAutoscaler: ["horizontalpodautoscalers", { ...STATUS, shortNames: ["hpa"], categories: ["all"] }],
  }),
  ...group("coordination.k8s.io", "v1", "io.k8s.api.coordination.v1", { Lease: ["leases"] }),
  ...group("discovery.k8s.io", "v1", "io.k8s.api.discovery.v1", {
    EndpointSlice: ["endpointslices", { ...GENERATION }],
  }),
  ...group("events.k8s.io", "v1", "io.k8s.api.events.v1", {
    Event: ["events", { shortNames: ["ev"], storageType: EVENTS }],
  }),
  ...group("rbac.authorization.k8s.io", "v1", "io.k8s.api.rbac.v1", {
    ClusterRole: ["clusterroles", { ...CLUSTER, nameRule: "path" }],
    ClusterRoleBinding: ["clusterrolebindings", { ...CLUSTER, nameRule: "path" }],
    Role: ["roles", { nameRule: "path" }],
    RoleBinding: ["rolebindings", { nameRule: "path" }],
  }),
  ...group("storage.k8s.io", "v1", "io.k8s.api.storage.v1", {
    CSIDriver: ["csidrivers", { ...CLUSTER }],
    CSINode: ["csinodes", { ...CLUSTER }],
    StorageClass: ["storageclasses", { ...CLUSTER, shortNames: ["sc"] }],
    VolumeAttachment: ["volumeattachments", { ...CLUSTER, ...STATUS }],
  }),
  ...group("certificates.k8s.io", "v1", "io.k8s.api.certificates.v1", {
    CertificateSigningRequest: [
      "certificatesigningrequests",
      { ...CLUSTER, ...STATUS, shortNames: ["csr"], nameRule: "path" },
    ],
  }),
  ...group("scheduling.k8s.io", "v1", "io.k8s.api.scheduling.v1", {
    PriorityClass: ["priorityclasses", { ...CLUSTER, ...GENERATION, shortNames: ["pc"] }],
  }),
  ...group("policy", "v1", "io.k8s.api.policy.v1", {
    PodDisruptionBudget: ["poddisruptionbudgets", { ...STATUS, ...GENERATION, shortNames: ["pdb"] }],
  }),
  ...group("networking.k8s.io", "v1", "io.k8s.api.networking.v1", {
    Ingress: ["ingresses", { ...STATUS, ...GENERATION, shortNames: ["ing"] }],
    IngressClass: ["ingressclasses", { ...CLUSTER, ...GENERATION }],
    NetworkPolicy: ["networkpolicies", { ...GENERATION, shortNames: ["netpol"] }],
  }),
  ...group("node.k8s.io", "v1", "io.k8s.api.node.v1", {
    RuntimeClass: ["runtimeclasses", { ...CLUSTER }],
  }),
  ...group("apiextensions.k8s.io", "v1", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1", {
    CustomResourceDefinition: [
      "customresourcedefinitions",
      { ...CLUSTER, ...STATUS, ...GENERATION, ...API_EXTENSIONS, shortNames: ["crd", "crds"] },
    ],
  }),
];
