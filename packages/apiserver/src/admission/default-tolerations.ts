import type { Pod, Toleration } from "@kedge/kube";

const TOLERATED_SECONDS = 300;
const TAINTS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/** A pod stays five minutes on a node that is not ready or not reachable, unless it says otherwise. */
export function addDefaultTolerations({ spec }: Pod): void {
  if (spec === undefined) return;
  const tolerations = spec.tolerations ?? [];
  const missing = TAINTS.filter((taint) => !tolerations.some((toleration) => tolerates(toleration, taint)));
  if (missing.length === 0) return;
  spec.tolerations = [
    ...tolerations,
    ...missing.map((key) => ({
      key,
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: TOLERATED_SECONDS,
    })),
  ];
}

function tolerates({ key = "", effect = "" }: Toleration, taint: string): boolean {
  return (key === "" || key === taint) && (effect === "" || effect === "NoExecute");
}
