import type { ContainerImage, NodeAddress, NodeRuntimeHandler, Taint } from "@kedge/kube";
import type { MachineInfo } from "./machine-info.ts";
import type { NodePressure } from "./node-conditions.ts";
import type { RuntimeFeatures } from "../security/runtime-features.ts";
import type { NodeResources } from "./node-capacity.ts";

/** What the container runtime says of itself; asked for before each report. */
export interface RuntimeFacts {
  /** `containerd://1.7.2`; empty: it does not answer. */
  readonly version: string;
  /** Why no pod can be started, in kubelet's words; empty: all is well. */
  readonly errors: readonly string[];
  readonly images?: readonly ContainerImage[] | undefined;
  readonly handlers?: readonly NodeRuntimeHandler[] | undefined;
  readonly features?: RuntimeFeatures | undefined;
  /** Absent: nothing runs out. */
  readonly pressure?: NodePressure | undefined;
  readonly volumesInUse?: readonly string[] | undefined;
  /** Labels that CSI drivers give the node. */
  readonly topology?: Readonly<Record<string, string>> | undefined;
  /** What device plugins offer. */
  readonly devices?: Pick<NodeResources, "capacity" | "allocatable"> | undefined;
}

/** All that a node's status is made of. */
export interface StatusFacts {
  readonly addresses: readonly NodeAddress[];
  readonly machine: MachineInfo;
  readonly resources: NodeResources;
  readonly runtime: RuntimeFacts;
  /** {@link kubeletVersion} */
  readonly version: string;
}

/** What the administrator says of the node in edgecore.yaml. */
export interface NodeRegistration {
  readonly nodeName: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly taints?: readonly Taint[] | undefined;
  /** `registerSchedulable`; default true. */
  readonly schedulable?: boolean | undefined;
  /** Port of the agent's HTTP server, for `daemonEndpoints`; 0: none. */
  readonly port?: number | undefined;
}

/** The Kubernetes whose kubelet we stand in for. */
const KUBERNETES_VERSION = "v1.32.10";

/** As keadm reads it: the agent's version is what follows the second dash. @param agentVersion such as `0.1.0`. */
export function kubeletVersion(agentVersion: string): string {
  return `${KUBERNETES_VERSION}-kubeedge-v${agentVersion.replace(/^v/, "")}`;
}
