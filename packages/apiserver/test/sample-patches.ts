/** A write to an object that exists: how a real API server merges it is known to it. */
export interface SamplePatch {
  readonly name: string;
  readonly kind: string;
  /** Name of the sample object. */
  readonly object: string;
  readonly type: "strategic" | "merge" | "json";
  readonly subresource?: "status";
  readonly patch: unknown;
}

const deployment = (name: string, patch: unknown, type: SamplePatch["type"] = "strategic"): SamplePatch => ({
  name,
  kind: "Deployment",
  object: "deployment",
  type,
  patch,
});
const template = (spec: object) => ({ spec: { template: { spec } } });

/** Applied one after the other, so that later ones meet what earlier ones left. */
export const SAMPLE_PATCHES: readonly SamplePatch[] = [
  deployment("adds a container before the others", template({ containers: [{ name: "b", image: "b:1" }] })),
  deployment(
    "changes one container",
    template({ containers: [{ name: "c", image: "c:2", env: [{ name: "A", value: "1" }] }] }),
  ),
  deployment("adds an env before another", template({ containers: [{ name: "c", env: [{ name: "B", value: "2" }] }] })),
  deployment(
    "orders containers",
    template({
      "$setElementOrder/containers": [{ name: "c" }, { name: "d" }, { name: "b" }],
      containers: [{ name: "d", image: "d:1", ports: [{ containerPort: 80 }] }],
    }),
  ),
  deployment(
    "merges ports by number",
    template({ containers: [{ name: "d", ports: [{ containerPort: 80, name: "web" }, { containerPort: 81 }] }] }),
  ),
  deployment("removes a container", template({ containers: [{ name: "b", $patch: "delete" }] })),
  deployment(
    "replaces a list within an item",
    template({ containers: [{ name: "c", command: ["x"], env: [{ $patch: "replace" }, { name: "Z", value: "9" }] }] }),
  ),
  deployment("removes by null", template({ containers: [{ name: "c", command: null }] })),
  deployment(
    "adds volumes",
    template({
      volumes: [
        { name: "v", emptyDir: {} },
        { name: "w", configMap: { name: "x" } },
      ],
    }),
  ),
  deployment(
    "turns one volume into another",
    template({ volumes: [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" } }] }),
  ),
  deployment("keeps only the named strategy", { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } }),
  deployment("merges labels and annotations", { metadata: { labels: { x: "1", y: "2" }, annotations: { a: "b" } } }),
  deployment("removes a label", { metadata: { labels: { x: null } } }),
  deployment("adds finalizers to a set", { metadata: { finalizers: ["a.b/c", "d.e/f"] } }),
  deployment("takes one finalizer out", {
    metadata: { "$deleteFromPrimitiveList/finalizers": ["a.b/c"], "$setElementOrder/finalizers": ["d.e/f"] },
  }),
  deployment("replaces an object", { metadata: { labels: { $patch: "replace", z: "3" } } }),
  deployment("replaces tolerations", template({ tolerations: [{ key: "a", operator: "Exists" }] })),
  deployment(
    "merges hosts",
    template({ hostAliases: [{ ip: "10.0.0.1", hostnames: ["a"] }], imagePullSecrets: [{ name: "s" }] }),
  ),
  deployment(
    "replaces by merge patch",
    { spec: { replicas: 2, template: { spec: { tolerations: [], volumes: null } } } },
    "merge",
  ),
  deployment(
    "follows a JSON patch",
    [
      { op: "test", path: "/spec/replicas", value: 2 },
      { op: "replace", path: "/spec/replicas", value: 3 },
      { op: "add", path: "/metadata/annotations/k~1l", value: "m" },
      { op: "remove", path: "/spec/template/spec/imagePullSecrets" },
    ],
    "json",
  ),
  {
    ...deployment("writes status alone", {
      status: { replicas: 2, conditions: [{ type: "Available", status: "True" }] },
      spec: { replicas: 9 },
    }),
    subresource: "status",
  },
  {
    ...deployment("merges conditions by type", {
      status: {
        conditions: [
          { type: "Progressing", status: "True" },
          { type: "Available", reason: "R" },
        ],
      },
    }),
    subresource: "status",
  },
  deployment("leaves status alone", { status: { replicas: 7 }, spec: { paused: true } }),
  {
    name: "changes a service's port",
    kind: "Service",
    object: "service-headless",
    type: "strategic",
    patch: { spec: { ports: [{ port: 80, targetPort: 8080 }] } },
  },
  {
    name: "adds a service's port",
    kind: "Service",
    object: "service-nodeport",
    type: "strategic",
    patch: {
      spec: {
        ports: [
          { port: 443, name: "tls", nodePort: 30443 },
          { port: 80, name: "web" },
        ],
      },
    },
  },
  {
    name: "adds an account's secret",
    kind: "ServiceAccount",
    object: "account",
    type: "strategic",
    patch: { secrets: [{ name: "y" }], imagePullSecrets: [{ name: "p" }] },
  },
  {
    name: "sets a node's condition",
    kind: "Node",
    object: "node",
    type: "strategic",
    subresource: "status",
    patch: {
      status: {
        conditions: [
          { type: "DiskPressure", status: "False" },
          { type: "Ready", status: "False" },
        ],
        addresses: [{ $patch: "replace" }, { type: "InternalIP", address: "10.0.0.9" }],
      },
    },
  },
  {
    name: "adds a node's taint",
    kind: "Node",
    object: "node",
    type: "strategic",
    patch: { spec: { taints: [{ key: "b", effect: "NoExecute" }], unschedulable: null } },
  },
  {
    name: "changes a pod's image",
    kind: "Pod",
    object: "pod",
    type: "strategic",
    patch: { spec: { containers: [{ name: "c", image: "busybox:2" }] }, metadata: { labels: { a: "b" } } },
  },
  {
    name: "sets a pod's status",
    kind: "Pod",
    object: "pod",
    type: "strategic",
    subresource: "status",
    patch: {
      status: {
        phase: "Running",
        podIPs: [{ ip: "10.1.0.1" }],
        podIP: "10.1.0.1",
        conditions: [{ type: "Ready", status: "True" }],
        containerStatuses: [
          {
            name: "c",
            image: "busybox:2",
            imageID: "x",
            ready: true,
            restartCount: 0,
            state: { running: { startedAt: "2026-01-01T00:00:00Z" } },
          },
        ],
      },
    },
  },
  {
    name: "merges a pod's addresses",
    kind: "Pod",
    object: "pod",
    type: "strategic",
    subresource: "status",
    patch: {
      status: {
        podIPs: [{ ip: "10.1.0.2" }, { ip: "10.1.0.1", $patch: "delete" }],
        podIP: "10.1.0.2",
        containerStatuses: [],
      },
    },
  },
  {
    name: "merges config",
    kind: "ConfigMap",
    object: "config",
    type: "merge",
    patch: { data: { a: null, c2: "x" }, binaryData: null },
  },
  { name: "sets a secret's text", kind: "Secret", object: "secret", type: "merge", patch: { stringData: { b: "y" } } },
  {
    name: "finalizes a namespace's label",
    kind: "Namespace",
    object: "namespace",
    type: "strategic",
    patch: { metadata: { labels: { a: "b" } }, spec: { finalizers: ["x"] } },
  },
  {
    name: "takes a node port back",
    kind: "Service",
    object: "service-nodeport",
    type: "strategic",
    patch: { spec: { type: "ClusterIP" } },
  },
  {
    name: "no longer balances",
    kind: "Service",
    object: "service-balanced",
    type: "strategic",
    patch: { spec: { type: "NodePort" } },
  },
  {
    name: "is only reached from within",
    kind: "Service",
    object: "service-balanced",
    type: "merge",
    patch: { spec: { type: "ClusterIP" } },
  },
  {
    name: "becomes a name",
    kind: "Service",
    object: "service-nodeport",
    type: "merge",
    patch: { spec: { type: "ExternalName", externalName: "a.b" } },
  },
];
