import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from "kubernetes-types/apps/v1.js";
import type { TokenReview } from "kubernetes-types/authentication/v1.js";
import type { SubjectAccessReview } from "kubernetes-types/authorization/v1.js";
import type { CertificateSigningRequest } from "kubernetes-types/certificates/v1.js";
import type { Lease } from "kubernetes-types/coordination/v1.js";
import type {
  ConfigMap,
  Endpoints,
  Event,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Secret,
  Service,
  ServiceAccount,
} from "kubernetes-types/core/v1.js";
import type { EndpointSlice } from "kubernetes-types/discovery/v1.js";
import type { RuntimeClass } from "kubernetes-types/node/v1.js";
import type { CSIDriver, CSINode, StorageClass, VolumeAttachment } from "kubernetes-types/storage/v1.js";
import type { KubeObject, ResourceType } from "./kube-object.ts";

function type<T extends KubeObject>(
  group: string,
  version: string,
  kind: string,
  resource: string,
  namespaced: boolean,
): ResourceType<T> {
  return { group, version, kind, resource, namespaced };
}

export const PODS = type<Pod>("", "v1", "Pod", "pods", true);
export const CONFIG_MAPS = type<ConfigMap>("", "v1", "ConfigMap", "configmaps", true);
export const SECRETS = type<Secret>("", "v1", "Secret", "secrets", true);
export const NODES = type<Node>("", "v1", "Node", "nodes", false);
export const NAMESPACES = type<Namespace>("", "v1", "Namespace", "namespaces", false);
export const SERVICES = type<Service>("", "v1", "Service", "services", true);
export const ENDPOINTS = type<Endpoints>("", "v1", "Endpoints", "endpoints", true);
export const EVENTS = type<Event>("", "v1", "Event", "events", true);
export const SERVICE_ACCOUNTS = type<ServiceAccount>("", "v1", "ServiceAccount", "serviceaccounts", true);
export const PERSISTENT_VOLUMES = type<PersistentVolume>("", "v1", "PersistentVolume", "persistentvolumes", false);
export const PERSISTENT_VOLUME_CLAIMS = type<PersistentVolumeClaim>(
  "",
  "v1",
  "PersistentVolumeClaim",
  "persistentvolumeclaims",
  true,
);
export const LEASES = type<Lease>("coordination.k8s.io", "v1", "Lease", "leases", true);
export const DEPLOYMENTS = type<Deployment>("apps", "v1", "Deployment", "deployments", true);
export const REPLICA_SETS = type<ReplicaSet>("apps", "v1", "ReplicaSet", "replicasets", true);
export const STATEFUL_SETS = type<StatefulSet>("apps", "v1", "StatefulSet", "statefulsets", true);
export const DAEMON_SETS = type<DaemonSet>("apps", "v1", "DaemonSet", "daemonsets", true);
export const ENDPOINT_SLICES = type<EndpointSlice>("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true);
export const VOLUME_ATTACHMENTS = type<VolumeAttachment>(
  "storage.k8s.io",
  "v1",
  "VolumeAttachment",
  "volumeattachments",
  false,
);
export const RUNTIME_CLASSES = type<RuntimeClass>("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", false);
export const CSI_DRIVERS = type<CSIDriver>("storage.k8s.io", "v1", "CSIDriver", "csidrivers", false);
export const CSI_NODES = type<CSINode>("storage.k8s.io", "v1", "CSINode", "csinodes", false);
export const STORAGE_CLASSES = type<StorageClass>("storage.k8s.io", "v1", "StorageClass", "storageclasses", false);
export const CERTIFICATE_SIGNING_REQUESTS = type<CertificateSigningRequest>(
  "certificates.k8s.io",
  "v1",
  "CertificateSigningRequest",
  "certificatesigningrequests",
  false,
);
export const TOKEN_REVIEWS = type<TokenReview>("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", false);
export const SUBJECT_ACCESS_REVIEWS = type<SubjectAccessReview>(
  "authorization.k8s.io",
  "v1",
  "SubjectAccessReview",
  "subjectaccessreviews",
  false,
);
