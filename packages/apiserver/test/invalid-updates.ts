/** A merge patch that a real API server refuses, to one of the sample objects. */
export interface InvalidUpdate {
  readonly name: string;
  readonly kind: string;
  /** Name of the sample object. */
  readonly object: string;
  readonly patch: object;
  /** The message shows the value as a Go struct, which we do not imitate. */
  readonly showsGo?: true;
}

export const INVALID_UPDATES: readonly InvalidUpdate[] = [
  { name: "a pod's node selector", kind: "Pod", object: "pod", patch: { spec: { nodeSelector: { a: "b" } } } },
  {
    name: "a pod's containers",
    kind: "Pod",
    object: "pod",
    patch: { spec: { containers: [{ name: "x", image: "y" }] } },
  },
  { name: "a pod's restart policy", kind: "Pod", object: "pod", patch: { spec: { restartPolicy: "Never" } } },
  { name: "a pod's node", kind: "Pod", object: "pod", patch: { spec: { nodeName: "n" } } },
  {
    name: "a deployment's selector",
    kind: "Deployment",
    object: "deployment",
    patch: {
      spec: { selector: { matchLabels: { app: "web", b: "c" } }, template: { metadata: { labels: { b: "c" } } } },
    },
  },
  {
    name: "a replica set's selector",
    kind: "ReplicaSet",
    object: "replicaset",
    patch: {
      spec: { selector: { matchLabels: { app: "web", b: "c" } }, template: { metadata: { labels: { b: "c" } } } },
    },
  },
  {
    name: "a daemon set's selector",
    kind: "DaemonSet",
    object: "daemonset",
    patch: {
      spec: { selector: { matchLabels: { app: "web", b: "c" } }, template: { metadata: { labels: { b: "c" } } } },
    },
  },
  {
    name: "a stateful set's service",
    kind: "StatefulSet",
    object: "statefulset",
    patch: { spec: { serviceName: "other" } },
  },
  { name: "a secret's type", kind: "Secret", object: "secret", patch: { type: "x" } },
  { name: "an immutable secret's data", kind: "Secret", object: "secret-tls", patch: { data: { "tls.crt": "AA==" } } },
  { name: "what makes a secret immutable", kind: "Secret", object: "secret-tls", patch: { immutable: false } },
  {
    name: "a service's address",
    kind: "Service",
    object: "service",
    patch: { spec: { clusterIP: "10.0.0.77", clusterIPs: ["10.0.0.77"] } },
  },
  {
    name: "a headless service's address",
    kind: "Service",
    object: "service-headless",
    patch: { spec: { clusterIP: "10.0.0.77", clusterIPs: ["10.0.0.77"] } },
  },
  {
    name: "a binding's role",
    showsGo: true,
    kind: "RoleBinding",
    object: "binding",
    patch: { roleRef: { name: "other" } },
  },
  {
    name: "a slice's address type",
    kind: "EndpointSlice",
    object: "slice",
    patch: { addressType: "FQDN", endpoints: [{ addresses: ["a.b"] }] },
  },
  { name: "a priority", kind: "PriorityClass", object: "priority", patch: { value: 6 } },
  { name: "a runtime's handler", kind: "RuntimeClass", object: "runtime", patch: { handler: "other" } },
  {
    name: "a storage class's provisioner",
    kind: "StorageClass",
    object: "storageclass",
    patch: { provisioner: "other" },
  },
  {
    name: "an attachment's node",
    showsGo: true,
    kind: "VolumeAttachment",
    object: "attachment",
    patch: { spec: { nodeName: "other" } },
  },
  { name: "a revision's data", kind: "ControllerRevision", object: "revision", patch: { data: { a: 2 } } },
  {
    name: "a job's template",
    showsGo: true,
    kind: "Job",
    object: "job",
    patch: { spec: { template: { spec: { restartPolicy: "OnFailure" } } } },
  },
  {
    name: "a claim's modes",
    kind: "PersistentVolumeClaim",
    object: "claim",
    patch: { spec: { accessModes: ["ReadWriteOnce"] } },
  },
];
