import type { Container, Lease, Node, NodeStatus, Pod, PodStatus } from "@kedge/kube";

/** What edges report, about as large as what a real one reports. */

const LEASE_SECONDS = 40;
const IMAGE = "registry.example/team/application:1.0.0";

export function edgeNode(name: string): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node-role.kubernetes.io/agent": "",
        "node-role.kubernetes.io/edge": "",
      },
    },
    spec: {},
  };
}

const CONDITIONS = [
  ["MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
  ["DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
  ["PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
  ["Ready", "True", "EdgeReady", "edge is posting ready status"],
] as const;

export function nodeStatus(now: string): NodeStatus {
  const capacity = { cpu: "4", "ephemeral-storage": "61252420Ki", memory: "8052852Ki", pods: "110" };
  return {
    addresses: [
      { type: "InternalIP", address: "192.0.2.10" },
      { type: "Hostname", address: "edge" },
    ],
    capacity,
    allocatable: capacity,
    conditions: CONDITIONS.map(([type, status, reason, message]) => ({
      type,
      status,
      reason,
      message,
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    })),
    daemonEndpoints: { kubeletEndpoint: { Port: 10350 } },
    images: [{ names: [`${IMAGE}@sha256:${"a".repeat(64)}`, IMAGE], sizeBytes: 52_428_800 }],
    nodeInfo: {
      architecture: "amd64",
      bootID: "4a3e2f6c-50b7-4f5e-9a6b-0b1f8f1f2c3d",
      containerRuntimeVersion: "containerd://1.6.20",
      kernelVersion: "6.1.0-18-amd64",
      kubeProxyVersion: "",
      kubeletVersion: "v1.36.0-kedge",
      machineID: "7d1f0c9e4b8a4f6fa3b2c1d0e9f8a7b6",
      operatingSystem: "linux",
      osImage: "Debian GNU/Linux 12 (bookworm)",
      systemUUID: "7d1f0c9e-4b8a-4f6f-a3b2-c1d0e9f8a7b6",
    },
  };
}

/** @param known as the API server answered last; absent: a new one. */
export function nodeLease(node: string, known: Lease | undefined, nowMs: number): Lease {
  const { resourceVersion, uid } = known?.metadata ?? {};
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name: node,
      namespace: "kube-node-lease",
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
    spec: {
      holderIdentity: node,
      leaseDurationSeconds: LEASE_SECONDS,
      renewTime: new Date(nowMs).toISOString().replace("Z", "000Z"),
    },
  };
}

export function simulatedPod(name: string, namespace: string, node: string): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app: "application", site: node } },
    spec: {
      nodeName: node,
      automountServiceAccountToken: false,
      containers: [
        {
          name: "main",
          image: IMAGE,
          command: ["/application", "--listen=:8080"],
          env: [{ name: "MODE", value: "production" }],
          ports: [{ containerPort: 8080 }],
          resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "128Mi" } },
        },
      ],
    },
  };
}

export function runningStatus(containers: readonly Container[], now: string): PodStatus {
  const conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];
  return {
    phase: "Running",
    conditions: conditions.map((type) => ({ type, status: "True", lastTransitionTime: now })),
    hostIP: "192.0.2.10",
    podIP: "10.88.0.2",
    podIPs: [{ ip: "10.88.0.2" }],
    startTime: now,
    qosClass: "Burstable",
    containerStatuses: containers.map(({ name, image = "" }) => ({
      name,
      image,
      imageID: `sha256:${"a".repeat(64)}`,
      containerID: `containerd://${"b".repeat(64)}`,
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: now } },
    })),
  };
}
