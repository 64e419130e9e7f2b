import type { KubeObject } from "@kedge/kube";
import type { PolicyRule } from "./policy-rule.ts";
import { GROUP_AUTHENTICATED, GROUP_MASTERS, GROUP_SERVICE_ACCOUNTS } from "./user-info.ts";

const RBAC = "rbac.authorization.k8s.io";
const READ = ["get", "list", "watch"];
const WRITE = ["create", "delete", "deletecollection", "patch", "update"];

const DISCOVERY_PATHS = [
  "/api",
  "/api/*",
  "/apis",
  "/apis/*",
  "/healthz",
  "/livez",
  "/openapi",
  "/openapi/*",
  "/readyz",
  "/version",
  "/version/",
];

const CORE_NAMESPACED = [
  "configmaps",
  "endpoints",
  "events",
  "persistentvolumeclaims",
  "pods",
  "pods/log",
  "pods/status",
  "replicationcontrollers",
  "replicationcontrollers/scale",
  "serviceaccounts",
  "services",
];
const WORKLOADS: readonly PolicyRule[] = [
  rule(
    ["apps"],
    [
      "controllerrevisions",
      "daemonsets",
      "deployments",
      "deployments/scale",
      "replicasets",
      "replicasets/scale",
      "statefulsets",
      "statefulsets/scale",
    ],
    [],
  ),
  rule(["batch"], ["cronjobs", "jobs"], []),
  rule(["autoscaling"], ["horizontalpodautoscalers"], []),
  rule(["discovery.k8s.io"], ["endpointslices"], []),
  rule(["networking.k8s.io"], ["ingresses", "networkpolicies"], []),
  rule(["policy"], ["poddisruptionbudgets"], []),
];

function rule(apiGroups: readonly string[], resources: readonly string[], verbs: readonly string[]): PolicyRule {
  return { apiGroups, resources, verbs };
}

function workloads(verbs: readonly string[]): PolicyRule[] {
  return WORKLOADS.map((one) => ({ ...one, verbs }));
}

const VIEW: readonly PolicyRule[] = [
  rule([""], [...CORE_NAMESPACED, "limitranges", "namespaces", "resourcequotas"], READ),
  ...workloads(READ),
  rule(["metrics.k8s.io"], ["nodes", "pods"], READ),
];
const EDIT: readonly PolicyRule[] = [
  ...VIEW,
  rule(
    [""],
    CORE_NAMESPACED.filter((resource) => !["pods/log", "pods/status", "endpoints"].includes(resource)),
    WRITE,
  ),
  rule([""], ["secrets"], [...READ, ...WRITE]),
  rule([""], ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy"], [...READ, ...WRITE]),
  rule([""], ["pods/eviction", "serviceaccounts/token"], ["create"]),
  ...workloads(WRITE),
  rule(["coordination.k8s.io"], ["leases"], [...READ, ...WRITE]),
];
const ADMIN: readonly PolicyRule[] = [
  ...EDIT,
  rule([RBAC], ["roles", "rolebindings"], [...READ, ...WRITE]),
  rule(["authorization.k8s.io"], ["localsubjectaccessreviews"], ["create"]),
];

/** What a kubelet may do. Bound to nobody: edge nodes speak through cloudcore, which lets each speak for itself alone. */
const NODE: readonly PolicyRule[] = [
  rule([""], ["services", "pods", "nodes"], READ),
  rule([""], ["nodes", "nodes/status", "pods/status"], ["create", "patch", "update"]),
  rule([""], ["pods"], ["create", "delete"]),
  rule([""], ["pods/eviction", "serviceaccounts/token"], ["create"]),
  rule([""], ["configmaps", "secrets", "persistentvolumeclaims", "persistentvolumes"], READ),
  rule(["", "events.k8s.io"], ["events"], ["create", "patch", "update"]),
  rule(["coordination.k8s.io"], ["leases"], ["create", "delete", "get", "patch", "update"]),
  rule(["storage.k8s.io"], ["csidrivers", "csinodes", "volumeattachments"], READ),
  rule(["node.k8s.io"], ["runtimeclasses"], READ),
  rule(["certificates.k8s.io"], ["certificatesigningrequests"], ["create", ...READ]),
  rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
  rule(["authorization.k8s.io"], ["subjectaccessreviews", "localsubjectaccessreviews"], ["create"]),
];

/** The roles and bindings that every cluster begins with. */
export function bootstrapPolicy(): KubeObject[] {
  return [
    clusterRole("cluster-admin", [rule(["*"], ["*"], ["*"]), { verbs: ["*"], nonResourceURLs: ["*"] }]),
    clusterRole("admin", ADMIN),
    clusterRole("edit", EDIT),
    clusterRole("view", VIEW),
    clusterRole("system:discovery", [{ verbs: ["get"], nonResourceURLs: DISCOVERY_PATHS }]),
    clusterRole("system:public-info-viewer", [
      { verbs: ["get"], nonResourceURLs: ["/healthz", "/livez", "/readyz", "/version", "/version/"] },
    ]),
    clusterRole("system:basic-user", [
      rule(["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], ["create"]),
      rule(["authentication.k8s.io"], ["selfsubjectreviews"], ["create"]),
    ]),
    clusterRole("system:service-account-issuer-discovery", [{ verbs: ["get"], nonResourceURLs: ["/openid/v1/jwks"] }]),
    clusterRole("system:auth-delegator", [
      rule(["authentication.k8s.io"], ["tokenreviews"], ["create"]),
      rule(["authorization.k8s.io"], ["subjectaccessreviews"], ["create"]),
    ]),
    clusterRole("system:node", NODE),
    clusterRoleBinding("cluster-admin", "cluster-admin", GROUP_MASTERS),
    clusterRoleBinding("system:discovery", "system:discovery", GROUP_AUTHENTICATED),
    clusterRoleBinding("system:basic-user", "system:basic-user", GROUP_AUTHENTICATED),
    clusterRoleBinding("system:public-info-viewer", "system:public-info-viewer", GROUP_AUTHENTICATED),
    clusterRoleBinding(
      "system:service-account-issuer-discovery",
      "system:service-account-issuer-discovery",
      GROUP_SERVICE_ACCOUNTS,
    ),
  ];
}

const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };

function clusterRole(name: string, rules: readonly PolicyRule[]): KubeObject {
  return { apiVersion: `${RBAC}/v1`, kind: "ClusterRole", metadata: { name, labels: LABELS }, rules } as KubeObject;
}

function clusterRoleBinding(name: string, role: string, group: string): KubeObject {
  return {
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name, labels: LABELS },
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: role },
    subjects: [{ apiGroup: RBAC, kind: "Group", name: group }],
  } as KubeObject;
}
