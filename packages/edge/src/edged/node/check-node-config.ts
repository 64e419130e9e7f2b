import { parseQuantity } from "@kedge/kube";
import { CodedError, toError } from "@kedge/runtime";
import type { NodeReporterConfig } from "./node-reporter.ts";

/** edgecore.yaml says something of the node that cannot be. */
export class NodeConfigError extends CodedError<{ readonly code: "InvalidNodeConfig"; readonly path: string }> {}

const KUBELET = "modules.edged.tailoredKubeletConfig";
const PERCENTAGE = /^\d{1,3}(\.\d+)?%$/;
const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/** @throws NodeConfigError with path, value and what is expected there: the cluster would refuse the node for ever. */
export function checkNodeConfig({ registration, reservation }: NodeReporterConfig): void {
  checkQuantities(`${KUBELET}.kubeReserved`, reservation.kubeReserved, false);
  checkQuantities(`${KUBELET}.systemReserved`, reservation.systemReserved, false);
  checkQuantities(`${KUBELET}.evictionHard`, reservation.evictionHard, true);
  for (const [index, { key, effect }] of (registration.taints ?? []).entries()) {
    const path = `${KUBELET}.registerWithTaints[${index}]`;
    if (key === "" || !TAINT_EFFECTS.includes(effect))
      throw new NodeConfigError(`${path} needs a key, and one of ${TAINT_EFFECTS.join(", ")} as its effect`, {
        code: "InvalidNodeConfig",
        path,
      });
  }
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
