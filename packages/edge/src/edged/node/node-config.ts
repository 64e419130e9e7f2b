import type { EdgeCoreConfig } from "@kedge/api";
import { parseQuantity, type Taint } from "@kedge/kube";
import { CodedError, toError } from "@kedge/runtime";
import type { NodeLeaseConfig } from "./node-lease.ts";
import type { NodeReporterConfig } from "./node-reporter.ts";

/** edgecore.yaml says something of the node that cannot be. */
export class NodeConfigError extends CodedError<{ readonly code: "InvalidNodeConfig"; readonly path: string }> {}

const KUBELET = "modules.edged.tailoredKubeletConfig";
const PERCENTAGE = /^\d{1,3}(\.\d+)?%$/;
const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/** The node's part of edgecore.yaml. @throws NodeConfigError with path, value and what is expected there. */
export function nodeReporterConfig({ modules }: EdgeCoreConfig, agentVersion: string): NodeReporterConfig {
  const { edged } = modules;
  const { tailoredKubeletConfig: kubelet } = edged;
  const { kubeReserved, systemReserved, evictionHard } = kubelet;
  checkQuantities(`${KUBELET}.kubeReserved`, kubeReserved, false);
  checkQuantities(`${KUBELET}.systemReserved`, systemReserved, false);
  checkQuantities(`${KUBELET}.evictionHard`, evictionHard, true);
  return {
    registration: {
      nodeName: edged.hostnameOverride,
      labels: edged.nodeLabels,
      taints: taintsOf(kubelet.registerWithTaints ?? []),
      schedulable: edged.registerSchedulable,
      port: kubelet.readOnlyPort,
    },
    reservation: {
      maxPods: kubelet.maxPods,
      podsPerCore: kubelet.podsPerCore,
      kubeReserved,
      systemReserved,
      evictionHard,
      ignoreEvictionThreshold: edged.experimentalNodeAllocatableIgnoreEvictionThreshold,
    },
    nodeIP: edged.nodeIP,
    interfaceName: edged.customInterfaceName,
    rootDirectory: edged.rootDirectory,
    agentVersion,
    registerNode: kubelet.registerNode,
    updateIntervalMs: kubelet.nodeStatusUpdateFrequency,
    reportIntervalMs: kubelet.nodeStatusReportFrequency,
  };
}

export function nodeLeaseConfig({ modules }: EdgeCoreConfig): NodeLeaseConfig {
  const { hostnameOverride, tailoredKubeletConfig } = modules.edged;
  return { nodeName: hostnameOverride, durationSeconds: tailoredKubeletConfig.nodeLeaseDurationSeconds };
}

function taintsOf(
  taints: NonNullable<EdgeCoreConfig["modules"]["edged"]["tailoredKubeletConfig"]["registerWithTaints"]>,
): Taint[] {
  return taints.map(({ key, value, effect }, index) => {
    if (key === "" || !TAINT_EFFECTS.includes(effect))
      throw new NodeConfigError(
        `${KUBELET}.registerWithTaints[${index}] needs a key and an effect of ${TAINT_EFFECTS.join(", ")}`,
        { code: "InvalidNodeConfig", path: `${KUBELET}.registerWithTaints[${index}]` },
      );
    return { key, effect, ...(value !== undefined && value !== "" && { value }) };
  });
}

function checkQuantities(path: string, map: Readonly<Record<string, string>> | undefined, percentages: boolean): void {
  for (const [key, text] of Object.entries(map ?? {})) {
    if (percentages && PERCENTAGE.test(text)) continue;
    try {
      parseQuantity(text);
    } catch (error) {
      const expected = percentages ? "a quantity such as 100Mi, or a percentage" : "a quantity such as 250m or 1Gi";
      throw new NodeConfigError(
        `${path}.${key} is ${JSON.stringify(text)}: expected ${expected} (${toError(error).message})`,
        { code: "InvalidNodeConfig", path: `${path}.${key}` },
        { cause: error },
      );
    }
  }
}
