import type { KubeObject } from "@kedge/kube";

/** An object that a real API server refuses. */
export interface InvalidObject {
  readonly name: string;
  readonly resource: string;
  readonly object: KubeObject & Record<string, unknown>;
  /** The message shows the value as a Go struct, which we do not imitate. */
  readonly showsGo?: true;
}

const labels = { app: "web" };
const CONTAINER = { name: "c", image: "busybox" };

function invalid(
  name: string,
  apiVersion: string,
  kind: string,
  resource: string,
  body: object,
  metadata: object = { name: "x" },
): InvalidObject {
  return { name, resource, object: { apiVersion, kind, metadata, ...body } };
}

function pod(name: string, spec: object, metadata?: object): InvalidObject {
  return invalid(`pod: ${name}`, "v1", "Pod", "pods", { spec }, metadata);
}

function container(name: string, more: object, spec: object = {}): InvalidObject {
  return pod(name, { containers: [{ ...CONTAINER, ...more }], ...spec });
}

function deployment(name: string, spec: object): InvalidObject {
  return invalid(`deployment: ${name}`, "apps/v1", "Deployment", "deployments", {
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [CONTAINER] } },
      ...spec,
    },
  });
}

function service(name: string, spec: object): InvalidObject {
  return invalid(`service: ${name}`, "v1", "Service", "services", { spec });
}

export const INVALID_OBJECTS: readonly InvalidObject[] = [
  pod("bad name", { containers: [CONTAINER] }, { name: "Not_OK" }),
  pod("no name", { containers: [CONTAINER] }, {}),
  pod("bad label", { containers: [CONTAINER] }, { name: "x", labels: { "a b": "-" } }),
  pod("bad annotation", { containers: [CONTAINER] }, { name: "x", annotations: { "/x": "" } }),
  pod("bad finalizer", { containers: [CONTAINER] }, { name: "x", finalizers: ["a b"] }),
  pod("no containers", {}),
  pod("empty containers", { containers: [] }),
  pod("nameless container", { containers: [{ image: "a" }] }),
  pod("no image", { containers: [{ name: "a" }] }),
  pod("two containers of one name", { containers: [CONTAINER, CONTAINER] }),
  pod("init container with a container's name", { containers: [CONTAINER], initContainers: [CONTAINER] }),
  container("bad container name", { name: "A_b" }),
  container("bad pull policy", { imagePullPolicy: "Sometimes" }),
  container("port too large", { ports: [{ containerPort: 70000 }] }),
  container("no port", { ports: [{ name: "x" }] }),
  container("bad port name", { ports: [{ containerPort: 1, name: "not--ok" }] }),
  container("two ports of one name", {
    ports: [
      { containerPort: 1, name: "a" },
      { containerPort: 2, name: "a" },
    ],
  }),
  container("bad protocol", { ports: [{ containerPort: 1, protocol: "HTTP" }] }),
  container(
    "host port that differs on the host's network",
    { ports: [{ containerPort: 1, hostPort: 2 }] },
    { hostNetwork: true },
  ),
  container("nameless env", { env: [{ value: "x" }] }),
  container("env with two sources", {
    env: [{ name: "A", value: "x", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
  }),
  container("env with no source", { env: [{ name: "A", valueFrom: {} }] }),
  container("env with = in its name", { env: [{ name: "A=B", value: "x" }] }),
  container("envFrom nothing", { envFrom: [{}] }),
  container("unknown volume", { volumeMounts: [{ name: "v", mountPath: "/v" }] }),
  container("mount nowhere", { volumeMounts: [{ name: "v" }] }, { volumes: [{ name: "v" }] }),
  container(
    "two mounts at one place",
    {
      volumeMounts: [
        { name: "v", mountPath: "/v" },
        { name: "v", mountPath: "/v" },
      ],
    },
    { volumes: [{ name: "v" }] },
  ),
  container(
    "mount of a path above",
    { volumeMounts: [{ name: "v", mountPath: "/v", subPath: "../x" }] },
    { volumes: [{ name: "v" }] },
  ),
  container("requests above limits", { resources: { requests: { cpu: "2" }, limits: { cpu: "1" } } }),
  container("negative memory", { resources: { limits: { memory: "-1" } } }),
  container("probe of nothing", { livenessProbe: {} }),
  container("liveness that must succeed twice", { livenessProbe: { exec: { command: ["x"] }, successThreshold: 2 } }),
  container("bad termination message policy", { terminationMessagePolicy: "Never" }),
  pod("bad restart policy", { containers: [CONTAINER], restartPolicy: "Maybe" }),
  pod("bad DNS policy", { containers: [CONTAINER], dnsPolicy: "Maybe" }),
  pod("DNS policy None without servers", { containers: [CONTAINER], dnsPolicy: "None" }),
  pod("no deadline", { containers: [CONTAINER], activeDeadlineSeconds: 0 }),
  pod("bad node selector", { containers: [CONTAINER], nodeSelector: { "a b": "c" } }),
  pod("bad toleration effect", {
    containers: [CONTAINER],
    tolerations: [{ key: "a", operator: "Exists", effect: "Run" }],
  }),
  pod("toleration of nothing", { containers: [CONTAINER], tolerations: [{ value: "a" }] }),
  pod("toleration that exists and has a value", {
    containers: [CONTAINER],
    tolerations: [{ key: "a", operator: "Exists", value: "a" }],
  }),
  pod("bad hostname", { containers: [CONTAINER], hostname: "A_b" }),
  pod("bad host alias", { containers: [CONTAINER], hostAliases: [{ ip: "nope", hostnames: ["a"] }] }),
  pod("volume without a name", { containers: [CONTAINER], volumes: [{ emptyDir: {} }] }),
  pod("two volumes of one name", { containers: [CONTAINER], volumes: [{ name: "a" }, { name: "a" }] }),
  pod("volume with two sources", {
    containers: [CONTAINER],
    volumes: [{ name: "a", emptyDir: {}, hostPath: { path: "/x" } }],
  }),
  pod("host path above", { containers: [CONTAINER], volumes: [{ name: "a", hostPath: { path: "/x/../y" } }] }),
  pod("bad host path type", {
    containers: [CONTAINER],
    volumes: [{ name: "a", hostPath: { path: "/x", type: "Maybe" } }],
  }),
  pod("bad file mode", {
    containers: [CONTAINER],
    volumes: [{ name: "a", configMap: { name: "c", defaultMode: 1000 } }],
  }),
  pod("absolute item path", {
    containers: [CONTAINER],
    volumes: [{ name: "a", configMap: { name: "c", items: [{ key: "k", path: "/x" }] } }],
  }),
  pod("nameless secret", { containers: [CONTAINER], volumes: [{ name: "a", secret: {} }] }),
  deployment("no selector", { selector: undefined }),
  deployment("empty selector", { selector: {} }),
  deployment("selector that misses", { selector: { matchLabels: { app: "other" } } }),
  deployment("bad selector operator", {
    selector: { matchExpressions: [{ key: "app", operator: "Near", values: ["x"] }] },
  }),
  deployment("In without values", { selector: { matchExpressions: [{ key: "app", operator: "In" }] } }),
  deployment("negative replicas", { replicas: -1 }),
  deployment("never moving", { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
  deployment("bad percentage", { strategy: { rollingUpdate: { maxSurge: "x%" } } }),
  deployment("Recreate that rolls", { strategy: { type: "Recreate", rollingUpdate: {} } }),
  deployment("template that ends", {
    template: { metadata: { labels }, spec: { containers: [CONTAINER], restartPolicy: "Never" } },
  }),
  deployment("deadline before ready", { progressDeadlineSeconds: 5, minReadySeconds: 5 }),
  service("no ports", {}),
  service("bad type", { type: "Maybe", ports: [{ port: 1 }] }),
  service("nameless ports", { ports: [{ port: 1 }, { port: 2 }] }),
  service("two ports of one name", {
    ports: [
      { port: 1, name: "a" },
      { port: 2, name: "a" },
    ],
  }),
  {
    ...service("twice the same port", {
      ports: [
        { port: 1, name: "a" },
        { port: 1, name: "b" },
      ],
    }),
    showsGo: true,
  },
  service("port too large", { ports: [{ port: 70000 }] }),
  service("bad target", { ports: [{ port: 1, targetPort: "not--ok" }] }),
  service("external without a name", { type: "ExternalName" }),
  service("headless node port", { type: "NodePort", clusterIP: "None", ports: [{ port: 1 }] }),
  service("bad affinity", { sessionAffinity: "Maybe", ports: [{ port: 1 }] }),
  invalid("service: bad name", "v1", "Service", "services", { spec: { ports: [{ port: 1 }] } }, { name: "X" }),
  invalid("config map: bad key", "v1", "ConfigMap", "configmaps", { data: { "a b": "" } }),
  invalid("config map: path as a key", "v1", "ConfigMap", "configmaps", { data: { "..": "" } }),
  invalid("config map: same key twice", "v1", "ConfigMap", "configmaps", { data: { a: "" }, binaryData: { a: "" } }),
  invalid("secret: TLS without a key", "v1", "Secret", "secrets", {
    type: "kubernetes.io/tls",
    data: { "tls.crt": "" },
  }),
  invalid("secret: bad key", "v1", "Secret", "secrets", { data: { "a/b": "" } }),
  invalid("namespace: bad name", "v1", "Namespace", "namespaces", {}, { name: "a.b" }),
  invalid("node: bad taint", "v1", "Node", "nodes", { spec: { taints: [{ key: "a", effect: "Run" }] } }),
  invalid("lease: no duration", "coordination.k8s.io/v1", "Lease", "leases", { spec: { leaseDurationSeconds: 0 } }),
  invalid("role binding: bad kind", "rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", {
    roleRef: { kind: "Pod", name: "x" },
    subjects: [{ kind: "Robot", name: "r" }],
  }),
  invalid("role: rules that say nothing", "rbac.authorization.k8s.io/v1", "Role", "roles", { rules: [{ verbs: [] }] }),
  invalid("role: paths in a namespace", "rbac.authorization.k8s.io/v1", "Role", "roles", {
    rules: [{ verbs: ["get"], nonResourceURLs: ["/x"], resources: ["pods"] }],
  }),
  invalid(
    "cluster role binding: an account of nowhere",
    "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding",
    "clusterrolebindings",
    {
      roleRef: { kind: "ClusterRole", name: "x", apiGroup: "rbac.authorization.k8s.io" },
      subjects: [{ kind: "ServiceAccount", name: "r" }],
    },
  ),
  invalid("claim: nothing wanted", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", { spec: {} }),
  invalid("job: always restarts", "batch/v1", "Job", "jobs", {
    spec: { template: { spec: { containers: [CONTAINER] } } },
  }),
  invalid("storage class: nobody", "storage.k8s.io/v1", "StorageClass", "storageclasses", {}),
];
