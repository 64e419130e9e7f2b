import type { KubeObject } from "@kedge/kube";

/** Objects of every built-in kind, said in few words and in many: what a real API server makes of them is known to it. */
export interface SampleObject {
  readonly name: string;
  readonly resource: string;
  readonly object: KubeObject & Record<string, unknown>;
}

const labels = { app: "web" };
const POD_SPEC = { containers: [{ name: "c", image: "busybox" }] };
const TEMPLATE = { metadata: { labels }, spec: POD_SPEC };
const SELECTOR = { matchLabels: labels };

function sample(
  name: string,
  apiVersion: string,
  kind: string,
  resource: string,
  body: object,
  metadata: object = {},
): SampleObject {
  const slug = name.replaceAll(/[^a-z0-9]+/g, "-");
  return { name, resource, object: { apiVersion, kind, metadata: { name: slug, ...metadata }, ...body } };
}

const RICH_POD = {
  restartPolicy: "OnFailure",
  serviceAccountName: "account",
  hostNetwork: true,
  nodeSelector: { disk: "ssd" },
  tolerations: [{ key: "a", operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }],
  imagePullSecrets: [{ name: "pull" }],
  hostAliases: [{ ip: "10.0.0.1", hostnames: ["a.b"] }],
  securityContext: { runAsUser: 1000, fsGroup: 5, supplementalGroups: [1] },
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: "x", operator: "In", values: ["y"] }] }],
      },
    },
  },
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" }],
  initContainers: [{ name: "init", image: "busybox:1.36", command: ["true"] }],
  containers: [
    {
      name: "main",
      image: "nginx:1.25",
      command: ["nginx"],
      args: [],
      ports: [
        { containerPort: 80, hostPort: 80 },
        { containerPort: 53, protocol: "UDP", name: "dns" },
      ],
      env: [
        { name: "A", value: "1" },
        { name: "E" },
        { name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "L", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
        { name: "S", valueFrom: { secretKeyRef: { name: "s", key: "k" } } },
      ],
      envFrom: [{ configMapRef: { name: "cm" } }],
      resources: { limits: { cpu: 1.5, memory: "1024Mi" }, requests: { cpu: "100m" } },
      livenessProbe: { httpGet: { port: 80 } },
      readinessProbe: { tcpSocket: { port: "dns" }, periodSeconds: 3 },
      startupProbe: { grpc: { port: 9000 } },
      lifecycle: { preStop: { exec: { command: ["sleep", "1"] } }, postStart: { httpGet: { port: 80, path: "/x" } } },
      volumeMounts: [
        { name: "empty", mountPath: "/empty" },
        { name: "cm", mountPath: "/cm", readOnly: true },
      ],
      securityContext: { privileged: false, capabilities: { add: ["NET_ADMIN"] } },
    },
    { name: "digest", image: "a@sha256:0123456789012345678901234567890123456789012345678901234567890123" },
    { name: "registry", image: "host:5000/x/y" },
  ],
  volumes: [
    { name: "nothing" },
    { name: "empty", emptyDir: { medium: "Memory", sizeLimit: "1.5Gi" } },
    { name: "cm", configMap: { name: "cm", items: [{ key: "a", path: "b", mode: 256 }] } },
    { name: "secret", secret: { secretName: "s", optional: true } },
    { name: "host", hostPath: { path: "/var" } },
    { name: "down", downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
    {
      name: "projected",
      projected: {
        sources: [
          { serviceAccountToken: { path: "token" } },
          { configMap: { name: "cm" } },
          { downwardAPI: { items: [{ path: "n", fieldRef: { fieldPath: "metadata.name" } }] } },
        ],
      },
    },
    { name: "claim", persistentVolumeClaim: { claimName: "c" } },
    {
      name: "ephemeral",
      ephemeral: {
        volumeClaimTemplate: { spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } },
      },
    },
  ],
};

export const BUILTIN_OBJECTS: readonly SampleObject[] = [
  sample("pod", "v1", "Pod", "pods", { spec: POD_SPEC }),
  sample(
    "pod-rich",
    "v1",
    "Pod",
    "pods",
    { spec: RICH_POD },
    { labels: { a: "", b: "c" }, annotations: { "x/y": "z" } },
  ),
  sample("pod-guaranteed", "v1", "Pod", "pods", {
    spec: { containers: [{ name: "c", image: "a:b", resources: { limits: { cpu: "1", memory: "1G" } } }] },
  }),
  sample("pod-zeros", "v1", "Pod", "pods", {
    spec: {
      hostPID: false,
      shareProcessNamespace: false,
      enableServiceLinks: false,
      serviceAccountName: "x",
      terminationGracePeriodSeconds: 0,
      nodeSelector: {},
      tolerations: [],
      volumes: null,
      containers: [{ name: "c", image: "a:b", command: null, env: [], stdin: false, resources: {} }],
    },
    status: { phase: "Running" },
  }),
  sample("pod-sidecar", "v1", "Pod", "pods", {
    spec: {
      ...POD_SPEC,
      initContainers: [
        { name: "s", image: "a:b", restartPolicy: "Always", livenessProbe: { exec: { command: ["true"] } } },
      ],
    },
  }),
  sample("config", "v1", "ConfigMap", "configmaps", { data: { a: "1", b: "" }, binaryData: { c: "AAE=" } }),
  sample("secret", "v1", "Secret", "secrets", { stringData: { a: "x" }, data: { b: "AAE=" } }),
  sample("secret-tls", "v1", "Secret", "secrets", {
    type: "kubernetes.io/tls",
    data: { "tls.crt": "", "tls.key": "" },
    immutable: true,
  }),
  sample("namespace", "v1", "Namespace", "namespaces", {}),
  sample(
    "node",
    "v1",
    "Node",
    "nodes",
    {
      spec: { taints: [{ key: "a", effect: "NoSchedule" }], unschedulable: true },
      status: {
        capacity: { cpu: "2", memory: "1024Mi", pods: "110" },
        conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: "2026-01-01T00:00:00Z", reason: "R" }],
        addresses: [
          { type: "InternalIP", address: "10.0.0.1" },
          { type: "Hostname", address: "n" },
        ],
        nodeInfo: {
          kubeletVersion: "v1.30.0",
          architecture: "amd64",
          osImage: "Debian",
          kernelVersion: "6.1",
          containerRuntimeVersion: "containerd://1.6",
        },
        images: [{ names: ["a"], sizeBytes: 5 }],
      },
    },
    { labels: { "node-role.kubernetes.io/edge": "", "kubernetes.io/os": "linux" } },
  ),
  sample("service", "v1", "Service", "services", { spec: { selector: labels, ports: [{ port: 80 }] } }),
  sample("service-headless", "v1", "Service", "services", {
    spec: {
      clusterIP: "None",
      selector: labels,
      ports: [
        { port: 80, targetPort: "http", name: "a" },
        { port: 81, name: "b", protocol: "UDP" },
      ],
    },
  }),
  sample("service-nodeport", "v1", "Service", "services", {
    spec: { type: "NodePort", sessionAffinity: "ClientIP", ports: [{ port: 80, nodePort: 30080 }] },
  }),
  sample("service-balanced", "v1", "Service", "services", {
    spec: { type: "LoadBalancer", ports: [{ port: 80, nodePort: 30081 }] },
  }),
  sample("service-external", "v1", "Service", "services", { spec: { type: "ExternalName", externalName: "a.b" } }),
  sample("endpoints", "v1", "Endpoints", "endpoints", {
    subsets: [{ addresses: [{ ip: "10.0.0.2" }], ports: [{ port: 80 }] }],
  }),
  sample("event", "v1", "Event", "events", {
    involvedObject: { kind: "Pod", name: "p", namespace: "default", uid: "u" },
    reason: "Started",
    message: "it started",
    type: "Normal",
    count: 3,
    firstTimestamp: "2026-01-01T00:00:00Z",
    lastTimestamp: "2026-01-01T02:00:00+02:00",
    source: { component: "kubelet", host: "n" },
  }),
  sample("account", "v1", "ServiceAccount", "serviceaccounts", {
    secrets: [{ name: "x" }],
    automountServiceAccountToken: false,
  }),
  sample("volume", "v1", "PersistentVolume", "persistentvolumes", {
    spec: { capacity: { storage: "1024Mi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/x" } },
  }),
  sample("claim", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", {
    spec: { accessModes: ["ReadWriteMany"], resources: { requests: { storage: "1Gi" } } },
  }),
  sample("limits", "v1", "LimitRange", "limitranges", {
    spec: { limits: [{ type: "PersistentVolumeClaim", max: { storage: "2Gi" } }] },
  }),
  sample("quota", "v1", "ResourceQuota", "resourcequotas", { spec: { hard: { pods: "1000", "limits.cpu": "5000" } } }),
  sample("controller", "v1", "ReplicationController", "replicationcontrollers", { spec: { template: TEMPLATE } }),
  sample("template", "v1", "PodTemplate", "podtemplates", { template: TEMPLATE }),
  sample("deployment", "apps/v1", "Deployment", "deployments", { spec: { selector: SELECTOR, template: TEMPLATE } }),
  sample("deployment-recreate", "apps/v1", "Deployment", "deployments", {
    spec: {
      replicas: 0,
      strategy: { type: "Recreate" },
      selector: SELECTOR,
      template: { metadata: { labels }, spec: { ...RICH_POD, restartPolicy: "Always" } },
    },
  }),
  sample("replicaset", "apps/v1", "ReplicaSet", "replicasets", { spec: { selector: SELECTOR, template: TEMPLATE } }),
  sample("daemonset", "apps/v1", "DaemonSet", "daemonsets", { spec: { selector: SELECTOR, template: TEMPLATE } }),
  sample("daemonset-ondelete", "apps/v1", "DaemonSet", "daemonsets", {
    spec: { selector: SELECTOR, template: TEMPLATE, updateStrategy: { type: "OnDelete" } },
  }),
  sample("statefulset", "apps/v1", "StatefulSet", "statefulsets", {
    spec: {
      serviceName: "s",
      selector: SELECTOR,
      template: TEMPLATE,
      volumeClaimTemplates: [
        {
          metadata: { name: "d" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        },
      ],
    },
  }),
  sample("revision", "apps/v1", "ControllerRevision", "controllerrevisions", { revision: 3, data: { a: 1 } }),
  sample("job", "batch/v1", "Job", "jobs", { spec: { template: { spec: { ...POD_SPEC, restartPolicy: "Never" } } } }),
  sample("cronjob", "batch/v1", "CronJob", "cronjobs", {
    spec: {
      schedule: "* * * * *",
      jobTemplate: { spec: { template: { spec: { ...POD_SPEC, restartPolicy: "Never" } } } },
    },
  }),
  sample("autoscaler", "autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", {
    spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "d" } },
  }),
  sample("lease", "coordination.k8s.io/v1", "Lease", "leases", {
    spec: { holderIdentity: "me", leaseDurationSeconds: 40, renewTime: "2026-01-01T00:00:00.500000Z" },
  }),
  sample("slice", "discovery.k8s.io/v1", "EndpointSlice", "endpointslices", {
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.0.0.3"], conditions: { ready: true }, nodeName: "n" }],
    ports: [{ port: 80 }, { name: "u", port: 53, protocol: "UDP" }],
  }),
  sample("role", "rbac.authorization.k8s.io/v1", "Role", "roles", {
    rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
  }),
  sample("role-empty", "rbac.authorization.k8s.io/v1", "Role", "roles", { rules: [] }),
  sample(
    "clusterrole",
    "rbac.authorization.k8s.io/v1",
    "ClusterRole",
    "clusterroles",
    {
      rules: [{ nonResourceURLs: ["/x"], verbs: ["get"] }],
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: "b" } }] },
    },
    { name: "system:odd:name" },
  ),
  sample("binding", "rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", {
    roleRef: { kind: "Role", name: "r" },
    subjects: [
      { kind: "User", name: "u" },
      { kind: "ServiceAccount", name: "s", namespace: "n" },
      { kind: "ServiceAccount", name: "of-this-namespace" },
    ],
  }),
  sample("clusterbinding", "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", {
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "r" },
  }),
  sample("storageclass", "storage.k8s.io/v1", "StorageClass", "storageclasses", { provisioner: "x.y" }),
  sample("csidriver", "storage.k8s.io/v1", "CSIDriver", "csidrivers", { spec: {} }),
  sample("csinode", "storage.k8s.io/v1", "CSINode", "csinodes", { spec: { drivers: [{ name: "d", nodeID: "n" }] } }),
  sample("attachment", "storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", {
    spec: { attacher: "a", nodeName: "n", source: { persistentVolumeName: "v" } },
  }),
  sample("priority", "scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", { value: 5 }),
  sample("budget", "policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", {
    spec: { minAvailable: 1, selector: SELECTOR },
  }),
  sample("ingress", "networking.k8s.io/v1", "Ingress", "ingresses", {
    spec: {
      rules: [
        {
          host: "a.b",
          http: {
            paths: [{ pathType: "Prefix", path: "/", backend: { service: { name: "s", port: { number: 80 } } } }],
          },
        },
      ],
    },
  }),
  sample("ingressclass", "networking.k8s.io/v1", "IngressClass", "ingressclasses", { spec: { controller: "x.y/z" } }),
  sample("policy", "networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", {
    spec: { podSelector: {}, egress: [{ ports: [{ port: 53 }] }] },
  }),
  sample("runtime", "node.k8s.io/v1", "RuntimeClass", "runtimeclasses", { handler: "runsc" }),
];
