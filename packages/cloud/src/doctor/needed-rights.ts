/** What cloudcore does in the cluster; the manifests in `manifests/cloudcore/` grant this, and nothing else. */
export interface NeededRight {
  readonly group: string;
  /** With its subresource: `pods/status`. */
  readonly resource: string;
  readonly verbs: readonly string[];
  /** Absent: in all namespaces. */
  readonly namespace?: string;
}

const READ = ["get", "list", "watch"];

export const NEEDED_RIGHTS: readonly NeededRight[] = [
  { group: "", resource: "nodes", verbs: [...READ, "create", "patch"] },
  { group: "", resource: "nodes/status", verbs: ["patch"] },
  { group: "", resource: "pods", verbs: [...READ, "create", "delete"] },
  { group: "", resource: "pods/status", verbs: ["patch", "update"] },
  { group: "", resource: "configmaps", verbs: READ },
  { group: "", resource: "secrets", verbs: READ },
  { group: "", resource: "secrets", verbs: ["create", "update", "patch", "delete"], namespace: "kubeedge" },
  { group: "", resource: "persistentvolumes", verbs: ["get"] },
  { group: "", resource: "persistentvolumeclaims", verbs: ["get"] },
  { group: "", resource: "serviceaccounts/token", verbs: ["create"] },
  { group: "", resource: "events", verbs: ["create", "update", "patch"] },
  { group: "", resource: "namespaces", verbs: ["create"] },
  { group: "storage.k8s.io", resource: "volumeattachments", verbs: ["get"] },
  { group: "", resource: "persistentvolumeclaims/status", verbs: ["update"] },
  { group: "storage.k8s.io", resource: "csidrivers", verbs: ["get"] },
  { group: "node.k8s.io", resource: "runtimeclasses", verbs: ["get"] },
  { group: "storage.k8s.io", resource: "csinodes", verbs: ["get", "create", "update"] },
  { group: "certificates.k8s.io", resource: "certificatesigningrequests", verbs: ["create", "get"] },
  { group: "authentication.k8s.io", resource: "tokenreviews", verbs: ["create"] },
  { group: "authorization.k8s.io", resource: "subjectaccessreviews", verbs: ["create"] },
  {
    group: "coordination.k8s.io",
    resource: "leases",
    verbs: ["get", "create", "update"],
    namespace: "kube-node-lease",
  },
  { group: "devices.kubeedge.io", resource: "devices", verbs: READ },
  { group: "devices.kubeedge.io", resource: "devicemodels", verbs: READ },
  { group: "devices.kubeedge.io", resource: "devicestatuses", verbs: [...READ, "create", "patch", "delete"] },
  { group: "reliablesyncs.kubeedge.io", resource: "objectsyncs", verbs: [...READ, "create", "delete"] },
  { group: "reliablesyncs.kubeedge.io", resource: "clusterobjectsyncs", verbs: [...READ, "create", "delete"] },
  { group: "reliablesyncs.kubeedge.io", resource: "objectsyncs/status", verbs: ["patch"] },
  { group: "reliablesyncs.kubeedge.io", resource: "clusterobjectsyncs/status", verbs: ["patch"] },
];
