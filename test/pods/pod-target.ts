import type { KubeClient } from "@kedge/kube-client";
import type { TestContainerd } from "@kedge/testing";

/** Something that runs a node's pods: Kedge's agent and its cloud, or a stock kubelet. */
export interface PodTarget extends AsyncDisposable {
  readonly kind: "kedge" | "kubelet";
  readonly kube: KubeClient;
  readonly nodeName: string;
  readonly containerd: TestContainerd;
  /** Below every hierarchy's mount point: where `kubepods` is. */
  readonly cgroup: string;
  /** `NAMESPACE_POD_UID/CONTAINER/N.log` */
  readonly podLogs: string;
  /** The folder of static pods. */
  readonly manifests: string;
  /** Holds `pods/UID`. */
  readonly rootDirectory: string;
  /** Of the agent. */
  readonly agentPid: number | undefined;
  /** SIGKILL and a new start. */
  restartAgent(): Promise<void>;
  logTail(): string;
}

/** What both agents are told alike, in the words of a kubelet's configuration file. */
export const KUBELET_SETTINGS = {
  clusterDNS: ["10.0.0.10"],
  clusterDomain: "cluster.local",
  allowedUnsafeSysctls: ["net.core.somaxconn"],
  fileCheckFrequency: "1s",
  syncFrequency: "10s",
  serializeImagePulls: false,
} as const;
