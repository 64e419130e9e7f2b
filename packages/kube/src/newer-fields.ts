/** Fields of Kubernetes 1.36 that `kubernetes-types` does not know yet, added to its interfaces. */
import type {} from "kubernetes-types/core/v1.js";

/** What to do when a container exits with one of these codes. */
export interface ContainerRestartRule {
  action: "Restart" | "RestartAllContainers" | (string & {});
  exitCodes?: { operator: "In" | "NotIn" | (string & {}); values?: number[] };
}

declare module "kubernetes-types/core/v1.js" {
  interface Container {
    restartPolicyRules?: ContainerRestartRule[];
  }
  interface Lifecycle {
    /** `SIGUSR1`, say; needs `spec.os.name`. */
    stopSignal?: string;
  }
  interface ContainerStatus {
    /** How the devices are that the container has, by resource. */
    allocatedResourcesStatus?: { name: string; resources?: { resourceID: string; health?: string }[] }[];
    stopSignal?: string;
    /** As whom it runs. */
    user?: { linux?: { uid: number; gid: number; supplementalGroups?: number[] } };
  }
  interface PodSpec {
    /** What all containers may use together. */
    resources?: ResourceRequirements;
  }
  interface NodeSystemInfo {
    swap?: { capacity?: number };
  }
  interface PodCondition {
    observedGeneration?: number;
  }
  interface PodStatus {
    /** `metadata.generation` of the pod as this status was made. */
    observedGeneration?: number;
  }
}
