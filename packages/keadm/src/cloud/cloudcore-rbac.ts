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
  rule("", ["serviceaccounts/token"], ["create"]),
  rule("", ["events"], ["create", "update", "patch"]),
  rule("", ["namespaces"], ["create"]), // its own, if that is not there
  rule("storage.k8s.io", ["volumeattachments"], ["get"]),
  rule("certificates.k8s.io", ["certificatesigningrequests"], ["create", "get"]),
  rule("devices.kubeedge.io", ["devices", "devicemodels"], ["get", "list", "watch"]),
  rule("devices.kubeedge.io", ["devicestatuses"], ["get", "list", "watch", "create", "patch", "delete"]),
  rule(
    "reliablesyncs.kubeedge.io",
    ["objectsyncs", "clusterobjectsyncs"],
    ["get", "list", "watch", "create", "delete"],
  ),
  rule("reliablesyncs.kubeedge.io", ["objectsyncs/status", "clusterobjectsyncs/status"], ["patch"]),
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

/** Who cloudcore is in the cluster, and what it may do there. */
export function cloudCoreRbac(): (ServiceAccount | ClusterRole | ClusterRoleBinding | Role | RoleBinding)[] {
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: NAME, namespace: KUBEEDGE_NAMESPACE } },
    { apiVersion: API_VERSION, kind: "ClusterRole", metadata: { name: NAME }, rules: CLUSTER_RULES },
    {
      apiVersion: API_VERSION,
      kind: "ClusterRoleBinding",
      metadata: { name: NAME },
      subjects,
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: NAME },
    },
    ...namespaced(KUBEEDGE_NAMESPACE, OWN_RULES),
    ...namespaced(LEASES_NAMESPACE, LEASE_RULES),
  ];
}
