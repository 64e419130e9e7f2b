import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, ServiceAccount } from "@kedge/kube";
import { KUBEEDGE_NAMESPACE } from "./connect-cluster.ts";

const API_VERSION = "rbac.authorization.k8s.io/v1";
export const NAME = "cloudcore";
const LEASES_NAMESPACE = "kube-node-lease";

function rule(group: string, resources: string[], verbs: string[]): PolicyRule {
  return { apiGroups: [group], resources, verbs };
}

/**
 * What cloudcore does anywhere in the cluster, and nothing else. It reads all ConfigMaps and Secrets, since any of them may
 * be needed at the edge, but writes only those of its own namespace.
 */
const CLUSTER_RULES: PolicyRule[] = [
  rule("", ["nodes"], ["get", "list", "watch", "create", "patch"]),
  rule("", ["nodes/status"], ["patch"]),
  rule("", ["pods"], ["get", "list", "watch", "create", "delete"]), // it creates mirror pods alone
  rule("", ["pods/status"], ["patch", "update"]),
  rule("", ["configmaps", "secrets"], ["get", "list", "watch"]),
  rule("", ["persistentvolumes", "persistentvolumeclaims"], ["get"]),
  rule("", ["persistentvolumeclaims/status"], ["update"]),
  rule("", ["serviceaccounts/token"], ["create"]),
  rule("", ["events"], ["create", "update", "patch"]),
  rule("", ["namespaces"], ["create"]), // its own, if that is not there
  rule("storage.k8s.io", ["volumeattachments", "csidrivers"], ["get"]),
  rule("node.k8s.io", ["runtimeclasses"], ["get"]),
  rule("storage.k8s.io", ["csinodes"], ["get", "create", "update"]),
  rule("certificates.k8s.io", ["certificatesigningrequests"], ["create", "get"]),
  rule("authentication.k8s.io", ["tokenreviews"], ["create"]), // who reads a node through cloudcore…
  rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]), // …and whether they may
  rule("devices.kubeedge.io", ["devices", "devicemodels"], ["get", "list", "watch"]),
  rule("devices.kubeedge.io", ["devicestatuses"], ["get", "list", "watch", "create", "patch", "delete"]),
  rule(
    "reliablesyncs.kubeedge.io",
    ["objectsyncs", "clusterobjectsyncs"],
    ["get", "list", "watch", "create", "delete"],
  ),
  rule("reliablesyncs.kubeedge.io", ["objectsyncs/status", "clusterobjectsyncs/status"], ["patch"]),
];

/** With the gate requireAuthorization: what nodes ask for their own servers is approved. */
const APPROVER = "cloudcore-csr-approver";
const APPROVER_RULES: PolicyRule[] = [
  rule("certificates.k8s.io", ["certificatesigningrequests"], ["list", "watch"]),
  rule("certificates.k8s.io", ["certificatesigningrequests/approval"], ["update"]),
  { ...rule("certificates.k8s.io", ["signers"], ["approve"]), resourceNames: ["kubernetes.io/kubelet-serving"] },
];

/** CA, server certificate and join tokens. */
const OWN_RULES: PolicyRule[] = [rule("", ["secrets"], ["create", "update", "patch", "delete"])];
/** Nodes renew theirs through cloudcore. */
const LEASE_RULES: PolicyRule[] = [rule("coordination.k8s.io", ["leases"], ["get", "create", "update"])];

const subjects = [{ kind: "ServiceAccount", name: NAME, namespace: KUBEEDGE_NAMESPACE }];

function namespaced(namespace: string, rules: PolicyRule[]): [Role, RoleBinding] {
  const metadata = { name: NAME, namespace };
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: NAME };
  return [
    { apiVersion: API_VERSION, kind: "Role", metadata, rules },
    { apiVersion: API_VERSION, kind: "RoleBinding", metadata, subjects, roleRef },
  ];
}

function clusterWide(name: string, rules: PolicyRule[]): [ClusterRole, ClusterRoleBinding] {
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name };
  return [
    { apiVersion: API_VERSION, kind: "ClusterRole", metadata: { name }, rules },
    { apiVersion: API_VERSION, kind: "ClusterRoleBinding", metadata: { name }, subjects, roleRef },
  ];
}

/**
 * Who cloudcore is in the cluster, and what it may do there.
 *
 * @param requireAuthorization the feature gate: one more thing to do.
 */
export function cloudCoreRbac(
  requireAuthorization: boolean,
): (ServiceAccount | ClusterRole | ClusterRoleBinding | Role | RoleBinding)[] {
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: NAME, namespace: KUBEEDGE_NAMESPACE } },
    ...clusterWide(NAME, CLUSTER_RULES),
    ...namespaced(KUBEEDGE_NAMESPACE, OWN_RULES),
    ...namespaced(LEASES_NAMESPACE, LEASE_RULES),
    ...(requireAuthorization ? clusterWide(APPROVER, APPROVER_RULES) : []),
  ];
}
